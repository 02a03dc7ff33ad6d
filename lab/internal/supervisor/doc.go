// Package supervisor is the process that holds a lab together.
//
// A supervisor is the first process of a PID namespace and has a mount
// namespace of its own. Whatever a lab consists of hangs on these: machines
// are processes in the PID namespace, disks and network namespaces are mounts
// in the mount namespace, the lab's names and subnet are sockets. So the
// kernel takes a lab apart even if the supervisor is killed; only its state
// directory and empty cgroups remain, which the next client removes.
//
// The supervisor serves its owner on an inherited connection. Until the owner
// commits, the lab ends with that connection. Other clients come through a
// socket in the state directory.
package supervisor
