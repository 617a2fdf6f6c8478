/* The two tables of ours, as data: `inet netsetup` (what is routed, translated, and let in to the host) and `bridge
 * netsetup` (what a port of a bridge may send).  guard.c and nat.c make the elements of their sets.  Pure.
 *
 * The number of chains and rules is constant.  All chains accept what they have no rule for, and an accepted packet
 * still meets everybody else's tables, so a foreign "drop" drops as before; no foreign table is ever touched.
 *
 *   inet    early          prerouting   -300 (raw)      nothing from the wire to or from 127.0.0.0/8
 *   inet    localhost_out  output       -300 (raw)      localhost to a published port leaves with the bridge's address
 *   inet    dnat           prerouting   -100 (dstnat)   published ports, for whatever the host itself is addressed by
 *   inet    dnat_local     output       -100            the same for connections of the host
 *   inet    input          input           0 (filter)   who may reach the host
 *   inet    forward        forward         0 (filter)   egress lists, isolation of ports, of bridges and of tunnels
 *   inet    snat           postrouting   100 (srcnat)   masquerade, and a container that meets its own bridge again
 *   inet    localhost_in   input         110            answers to localhost: after the source is put back at 100
 *   bridge  port           prerouting   -300            MAC, ARP and IP of a port's own, no RA, DHCP answers, VLAN tags
 *   bridge  control        input        -300            no BPDU and the like
 *
 * Localhost needs no route_localnet: an address of 127.0.0.0/8 never leaves the loopback device, because the source is
 * rewritten before the first routing decision and put back after the last.  The same works for ::1.
 *
 * Elements: an attachment has one in each set it needs for each of its addresses; a published port has one for each
 * family and port, or one in all for a range that has the same numbers inside. */
#ifndef NETSETUP_LAYOUT_H
#define NETSETUP_LAYOUT_H

#include "netsetup/nft.h"

extern const struct nft_table layout_host, layout_ports;
extern const struct nft_table *const layout_tables[2];

#endif
