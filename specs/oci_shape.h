/* What one string of the OCI config may look like: the .check functions of the tables, also called by the rules.  Pure.
 * Each returns NULL when text is good and otherwise why it is not, as the words after the place. */
#ifndef SPECS_OCI_SHAPE_H
#define SPECS_OCI_SHAPE_H

const char *oci_shape_not_empty(const char *text);
const char *oci_shape_absolute(const char *text);
const char *oci_shape_one_line(const char *text);           /* written to a kernel file that reads lines */
const char *oci_shape_id_list(const char *text);            /* "0-3,7": CPUs, memory nodes; empty is good */
const char *oci_shape_device_type(const char *text);        /* c, b, u, p */
const char *oci_shape_rule_type(const char *text);          /* a, c, b; empty is a */
const char *oci_shape_rule_access(const char *text);        /* letters of rwm, each once */
const char *oci_shape_page_size(const char *text);          /* "2MB" */
const char *oci_shape_cgroups_path(const char *text);       /* no "..", nothing that is not printable */
const char *oci_shape_file_name(const char *text);          /* one component: not empty, no slash, not "." or ".." */
const char *oci_shape_interface(const char *text);          /* a name that the kernel gives to a network device */
const char *oci_shape_interface_template(const char *text); /* the same, or one "%d" in it */
const char *oci_shape_clos_id(const char *text);            /* "/" or one component */
const char *oci_shape_mem_bw(const char *text);             /* one line that begins with "MB:" */
const char *oci_shape_propagation(const char *text);        /* a name of oci_propagation_names; empty is unset */
const char *oci_shape_seccomp_arch(const char *text);       /* a name of oci_seccomp_arch_names */
const char *oci_shape_version(const char *text);            /* SemVer 2.0.0 */

#endif
