// Package build makes bundles of applications: it reads an application's folder,
// finds its images, brings them into a cache, and writes them into one file with
// a Kubernetes runtime and the program gravity (S01, S03, S08).
//
// Open reads and checks everything that needs no network: the manifest, the
// images that the application asks for, the runtime that it runs on. Build does
// the rest. Equal inputs give equal bytes, whatever the folder, the time, the
// user and the state of the cache.
//
// It links Helm and kustomize, and with them Kubernetes' libraries; only tele
// imports it.
package build
