// Package disk makes the disks of machines: a sparse image with an ext4 file
// system on a loop device where the host has them, a plain directory else, and
// on either the overlay that is the machine's root file system.
package disk
