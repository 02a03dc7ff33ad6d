// Package network builds a lab's network: a bridge in a network namespace that
// only the supervisor's mount namespace holds, one namespace and one port per
// machine, and one link to the host. Nothing of it outlives the supervisor.
//
// There is no way out: the bridge is the machines' default gateway, as sites
// have one, but it has no route to anywhere and says so at once, and a name
// server that refuses every question. The host is on the same subnet and does
// not forward for it.
package network
