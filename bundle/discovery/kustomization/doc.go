// Package kustomization builds the kustomizations of an application, so that
// discovery finds the images that they ask for, as their images fields, patches
// and components have them. It links kustomize and with it some of Kubernetes'
// libraries; only tele imports it.
//
// Nothing outside of the application's folder is read and no host is asked: what
// a kustomization names is looked up first, and kustomize then works on a copy
// in memory that has those files only. A remote base is a problem that names the
// file and the line.
//
// Kustomizations that others use are built as part of those; so is a file that a
// kustomization lists, and its images are those after all changes.
package kustomization
