// Package enter starts programs inside a running machine without its network
// or ssh: in its namespaces, below its root and in its cgroups, as if its own
// init had started them. They end with the machine.
package enter
