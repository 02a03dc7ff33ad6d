// Package cgroup gives each machine of a lab a cgroup of its own in every
// hierarchy of the host, be it cgroup v1, v2 or both, and removes what is left
// of labs whose supervisor was killed.
//
// A lab's cgroups are named gravity-lab-LAB/MACHINE directly below the mount
// points, so that they can be found again by the lab's name alone.
package cgroup
