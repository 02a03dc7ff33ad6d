// Package rootfs builds the root file system that all machines of a lab share
// as their lower layer, and keeps it in a cache under a hash of its recipe.
package rootfs
