#include "runtime/cli/cli.h"

#include "runtime/plan/mount_opts.h"
#include "runtime/plan/plan.h"
#include "specs/oci_features.h"
#include "specs/oci_names.h"

#include <stdio.h>

/* The kernel takes every flag that the table names; none is interpreted on the way. */
static struct strv seccomp_flags(void) {
        struct strv flags = { 0 };
        for (const struct name *row = oci_seccomp_flag_names.rows; row->name; row++)
                strv_add(&flags, row->name);
        return flags;
}

static int run(const struct globals *globals, const void *options, const struct strv *arguments) {
        (void)globals;
        (void)options;
        (void)arguments;
        struct str_pair versions[] = {
                { "io.github.seccomp.libseccomp.version", plan_seccomp_version() },
                { "org.rundlet.version", VERSION },
        };
        struct oci_features_input input = {
                .mount_options = mount_opts_names(),
                .seccomp_archs = plan_seccomp_archs(),
                .seccomp_supported_flags = seccomp_flags(),
                .cgroup_systemd = true,
                .cgroup_systemd_user = true,
                .annotations = { versions, sizeof(versions) / sizeof(versions[0]) },
                .unsafe_annotations = plan_annotation_names(),
        };
        struct oci_features features;
        oci_features_fill(&input, &features);
        (void)fputs(json_write(&features, &oci_features_type, true), stdout);
        return 0;
}

const struct command command_features = {
        .name = "features",
        .arguments = "",
        .summary = "what this runtime can do, as JSON",
        .description =
                "Prints the features document of the runtime-spec: what this build knows, whatever this kernel can do.",
        .run = run,
};
