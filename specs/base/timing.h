/* --timing: how long each phase of a command took.  Who does not ask for it pays for one comparison a phase.  The
 * phases are the parent's; what the child does meanwhile is in the phase that waits for it.  Parent side of clone only.
 */
#ifndef SPECS_BASE_TIMING_H
#define SPECS_BASE_TIMING_H

/* From now on phases are measured (CLOCK_MONOTONIC). */
void timing_start(void);

/* What was done since the last call, or since timing_start(), was this phase; r is handed through, so that a call can
 * be wrapped: `r = timing_phase("plan", prepare_plan(...))`.  A phase that comes again adds to its first row.  phase: a
 * literal. */
int timing_phase(const char *phase, int r);

/* One record of level info: "timing of run: config 0.21 ms, plan 0.10 ms, ..., other 0.05 ms, all 4.70 ms".  Nothing
 * when phases are not measured. */
void timing_report(const char *command);

#endif
