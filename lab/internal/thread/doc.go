// Package thread runs functions that change what their thread belongs to, such
// as namespaces and cgroups, on threads that nothing else ever runs on.
package thread
