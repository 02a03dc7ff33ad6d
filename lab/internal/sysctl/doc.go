// Package sysctl undoes what machines do to the settings of the host's kernel.
// Machines share the kernel, and kubelet and Debian change settings that no
// namespace keeps apart, such as what happens after a kernel panic.
//
// The values are recorded when the first lab of a host starts and written back
// when the last one ends, or when the next one finds a record that nobody
// holds.
package sysctl
