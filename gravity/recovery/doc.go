// Package recovery proves that a cluster of three masters loses no row, and
// hardly any time, when it loses one of them, however that happens; that lost
// masters can be replaced, and that the cluster comes back by itself when the
// power does (S18, S25, S26). It has tests only.
package recovery
