// Package cluster finds a machine that speaks for a cluster: any of its masters
// that lives. So a dead first master blocks nothing.
//
// Unreachable is not absent: only if every machine answers, and none of them is a
// node of the cluster, there is no such cluster (ErrAbsent).
package cluster
