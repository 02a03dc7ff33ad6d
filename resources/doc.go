// Package resources has the tests of all resources together, on machines. Each
// resource is a package below.
package resources
