// Package hub keeps bundles in OCI registries: pushing, pulling, listing and
// removing them.
//
// # A bundle in a registry
//
// HUB/[PATH/]NAME:VERSION is an image index of type ArtifactType. Its manifests
// are, in this order:
//
//   - an artifact of type FilesArtifactType, whose layers are index.json, its
//     signatures and the entries that index.json lists, and what else no manifest
//     of a registry can hold;
//   - the application, images, runtimes and the bill of materials, as index.json
//     lists them.
//
// All lies in one repository, and all is reached from the tag, so a registry's
// garbage collection keeps it, tools that copy an image with all its platforms
// copy the bundle, and scanners see the images. What was pulled is the bundle, byte
// for byte: it is made again of index.json, which is what signatures are of.
//
// Registries refuse an index of which manifests are missing, and image indexes of
// which the bundle has some platforms are such. They travel as layers of the first
// artifact; their manifests that are there take their place in the list. So any
// registry takes any bundle.
//
// Equal bundles with equal signatures give equal digests, so that a push of what is
// there already is one request.
//
// # Trust
//
// A registry is not trusted with anything. What it sends has digests that lead to
// index.json; the name and version in there must be those that were asked for. Who
// made it, signatures tell. Requests of an upload stay on the registry's host.
package hub
