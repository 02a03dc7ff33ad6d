// Package preflight checks what must hold on a machine before Kubernetes is
// installed on it (S15): what the cluster itself needs, and what the profile of
// nodes in an application's manifest requires.
//
// Checks makes the list of checks, always the same names in the same order, and
// Run runs them. A check changes nothing on the machine: files that it writes to
// measure a disk never have a name, so not even a kill leaves them behind.
//
// The level of a check never changes: an error says that the installation would
// fail or the cluster would not work, a warning that it would be slow or
// fragile. What cannot be measured counts as not passed. Every check can be
// skipped by its name.
package preflight
