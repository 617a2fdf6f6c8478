#include "specs/oci_shape.h"

#include "specs/base/names.h"
#include "specs/base/str.h"
#include "specs/oci_names.h"

#include <ctype.h>
#include <net/if.h>
#include <string.h>

const char *oci_shape_not_empty(const char *text) {
        return *text ? NULL : "empty";
}

const char *oci_shape_absolute(const char *text) {
        if (!*text)
                return "empty";
        return *text == '/' ? NULL : "not an absolute path";
}

const char *oci_shape_one_line(const char *text) {
        return strchr(text, '\n') ? "contains a newline" : NULL;
}

/* Reads a number of at most seven digits, more than any kernel has CPUs or nodes; -1 when there is none. */
static long read_id(const char **text) {
        long value = 0;
        int digits = 0;
        for (; isdigit((unsigned char)**text) && digits < 8; (*text)++, digits++)
                value = value * 10 + (**text - '0');
        return digits > 0 && digits < 8 ? value : -1;
}

static void skip_spaces(const char **text) {
        while (**text == ' ')
                (*text)++;
}

const char *oci_shape_id_list(const char *text) {
        static const char *const wrong = "not a list such as 0-3,7";

        skip_spaces(&text);
        while (*text) {
                long first = read_id(&text), last = first;
                if (first < 0)
                        return wrong;
                if (*text == '-') {
                        text++;
                        last = read_id(&text);
                        if (last < first)
                                return wrong;
                }
                skip_spaces(&text);
                if (*text == '\0')
                        return NULL;
                if (*text++ != ',')
                        return wrong;
                skip_spaces(&text);
                if (*text == '\0')
                        return wrong;
        }
        return NULL;
}

const char *oci_shape_device_type(const char *text) {
        return *text && strchr("cbup", *text) && !text[1] ? NULL : "not one of c, b, u, p";
}

const char *oci_shape_rule_type(const char *text) {
        return !*text || (strchr("acb", *text) && !text[1]) ? NULL : "not one of a, c, b";
}

const char *oci_shape_rule_access(const char *text) {
        for (const char *at = text; *at; at++) {
                if (!strchr("rwm", *at))
                        return "has a letter that is not r, w or m";
                if (strchr(at + 1, *at))
                        return "has a letter twice";
        }
        return NULL;
}

const char *oci_shape_page_size(const char *text) {
        const char *at = text;
        if (*at >= '1' && *at <= '9') {
                while (isdigit((unsigned char)*at))
                        at++;
                if (*at && strchr("KMG", *at) && str_eq(at + 1, "B"))
                        return NULL;
        }
        return "not a size such as 64KB, 2MB or 1GB";
}

const char *oci_shape_cgroups_path(const char *text) {
        for (const char *at = text; *at; at++)
                if (iscntrl((unsigned char)*at))
                        return "contains a control character";
        for (const char *at = text; *at;) {
                size_t n = strcspn(at, "/");
                if (n == 2 && at[0] == '.' && at[1] == '.')
                        return "contains ..";
                at += n;
                at += strspn(at, "/");
        }
        return NULL;
}

const char *oci_shape_file_name(const char *text) {
        if (!*text)
                return "empty";
        if (strchr(text, '/'))
                return "contains a slash";
        return str_eq(text, ".") || str_eq(text, "..") ? "not a file name" : NULL;
}

/* The kernel's own rule (dev_valid_name): no slash, colon or white space, and room for the final NUL. */
const char *oci_shape_interface(const char *text) {
        const char *why = oci_shape_file_name(text);
        if (why)
                return why;
        if (strlen(text) >= IFNAMSIZ)
                return "longer than 15 bytes";
        for (const char *at = text; *at; at++)
                if (*at == ':' || *at == '%' || isspace((unsigned char)*at) || iscntrl((unsigned char)*at))
                        return "has a character that no network device has";
        return NULL;
}

const char *oci_shape_interface_template(const char *text) {
        const char *percent = strchr(text, '%');
        if (!percent)
                return oci_shape_interface(text);
        if (percent[1] != 'd' || strchr(percent + 1, '%'))
                return "has a template that is not one %d";
        /* The kernel puts a number in place of the two characters: judge the name with the shortest one. */
        return oci_shape_interface(str_format("%.*s00%s", (int)(percent - text), text, percent + 2));
}

const char *oci_shape_clos_id(const char *text) {
        if (!*text || str_eq(text, "/"))
                return NULL;
        static const char *const reserved[] = { "info", "mon_groups", "mon_data" };
        const char *why = oci_shape_one_line(text);
        for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]) && !why; i++)
                if (str_eq(text, reserved[i]))
                        why = "a folder of resctrl itself";
        return why ? why : oci_shape_file_name(text);
}

const char *oci_shape_mem_bw(const char *text) {
        if (*text && !str_starts(text, "MB:"))
                return "does not begin with MB:";
        return oci_shape_one_line(text);
}

const char *oci_shape_propagation(const char *text) {
        return !*text || names_find(&oci_propagation_names, text) ? NULL : "unknown propagation";
}

const char *oci_shape_seccomp_arch(const char *text) {
        return names_find(&oci_seccomp_arch_names, text) ? NULL : "unknown architecture";
}

/* A number of SemVer: digits without a leading zero. */
static bool skip_number(const char **text) {
        size_t n = strspn(*text, "0123456789");
        if (n == 0 || (n > 1 && **text == '0'))
                return false;
        *text += n;
        return true;
}

/* Identifiers of SemVer between dots, up to a '+' or the end; numeric ones have no leading zero in a pre-release. */
static bool skip_identifiers(const char **text, bool is_prerelease) {
        for (;;) {
                size_t digits = strspn(*text, "0123456789"), n = digits;
                while (isalnum((unsigned char)(*text)[n]) || (*text)[n] == '-')
                        n++;
                if (n == 0 || (is_prerelease && n == digits && n > 1 && **text == '0'))
                        return false;
                *text += n;
                if (**text != '.')
                        return true;
                (*text)++;
        }
}

const char *oci_shape_version(const char *text) {
        static const char *const wrong = "not a version of the form 1.2.3";

        for (int part = 0; part < 3; part++) {
                if (part > 0 && *text++ != '.')
                        return wrong;
                if (!skip_number(&text))
                        return wrong;
        }
        if (*text == '-') {
                text++;
                if (!skip_identifiers(&text, true))
                        return wrong;
        }
        if (*text == '+') {
                text++;
                if (!skip_identifiers(&text, false))
                        return wrong;
        }
        return *text ? wrong : NULL;
}
