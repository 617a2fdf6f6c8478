/* start: wakes the init of a created container and waits until the payload runs.
 *
 * The talk on ID/start.sock (SOCK_SEQPACKET, one struct step_message a datagram; only .type counts unless said
 * otherwise).  Two phases, so that what `state` says is true at every instant: the socket's file exists exactly as long
 * as init has not been told to go on.
 *
 *   start                                init (STEP_START)
 *   connect                      ->      accept
 *   MESSAGE_START 's'            ->
 *                                <-      MESSAGE_START 's': I listen to you alone
 *   unlink start.sock
 *   MESSAGE_GO 'g'               ->      startContainer hooks, identity, execve
 *                                <-      MESSAGE_FAILED {kind, step, value: errno}, then exit 127
 *                                <-      or end of file: execve has closed the connection, the payload runs
 *
 * End of file before 's': the caller died early; init accepts the next one.  End of file after 's' and before 'g': the
 * caller died when the file may already be gone; init exits, the container is `stopped`.  Init closes the listening
 * socket when it gets 'g'.  Parent side only. */
