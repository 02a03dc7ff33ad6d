// Package host finds out whether this machine can run a lab, and installs what
// is missing where that is a Debian package.
package host
