/* Rules that cross fields, one row per sentence of the spec.  Pure: no system calls. */
#ifndef SPECS_OCI_CHECK_H
#define SPECS_OCI_CHECK_H

#include "specs/oci_config.h"
#include "specs/oci_linux.h"

/* Checks what the tables cannot say.  Without errors (NULL) the first broken rule is the error record and -EINVAL; with
 * errors every broken rule is added as a line and the first is the record; lines that are in it already are those of
 * reading, and rules about the sections that they name are left out.  Deprecated or ignored settings are added to
 * warnings (may be NULL). Lines are "place: what is wrong". */
int oci_check(const struct oci_config *config, struct strv *errors, struct strv *warnings);

/* The same for a process of `exec`. */
int oci_check_process(const struct oci_process *process, struct strv *errors, struct strv *warnings);

/* The same for the resources of `update`; places are those of the config ("linux.resources.cpu.burst"). */
int oci_check_resources(const struct oci_resources *resources, struct strv *errors, struct strv *warnings);

/* The rules as text for the reference and the MUST table: "place in the spec: what row i checks", NULL at the end. */
const char *oci_check_rule(size_t i);

#endif
