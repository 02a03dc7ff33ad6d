// Package discovery finds every image that an application asks for, so that a
// bundle carries all of them. An image that is missed shows only at the site,
// as a pod that waits for ever.
//
// Discover reads the application's folder: Kubernetes objects in YAML and JSON
// files, the manifest's hooks, and, through a Renderer each, Helm charts and
// kustomizations. The renderers live in packages of their own, chart and
// kustomization, because they link Kubernetes' libraries; who only reads bundles
// need not.
//
// A folder with Chart.yaml is a chart, and so is a packaged one (.tgz); what lies
// in it belongs to it alone.
//
// What counts as an image, and is reported with the reason:
//
//   - workload: the image of a container of any kind, or of an image volume, of
//     a pod, a pod template or whatever makes pods, also inside lists;
//   - ImageSet: the helper kind of apiVersion cluster.gravitational.io/v1beta1;
//   - custom resource: fields of other objects whose names say so (image, fooImage,
//     images, repository with tag);
//   - suspect: what looks like an image in arguments, commands, environment
//     variables, annotations and config maps. Suspects are reported, and are
//     not in the bundle unless something else asks for them.
//
// A place also says through what the image was found: a file, a hook of the
// manifest, a chart or a kustomization.
//
// A file that cannot be read as what it seems to be is a problem with file and
// line; problems are collected, and Discover returns all of them. What is
// deliberately left alone is in the notes.
//
// Files are read up to 16 MiB if they end in .yaml, .yml or .json. Others up to
// 1 MiB are looked into as well; they count if they are text that begins lines
// with apiVersion and kind. The application's files are not trusted: symbolic
// links out of the folder, documents that contain themselves and documents that
// multiply by aliases are refused.
package discovery
