package report

// Build is what `tele build --format=json` prints when the bundle is complete.
type Build struct {
	// Name and Version are the application's.
	Name    string `json:"name"`
	Version string `json:"version"`
	// Path is the file.
	Path string `json:"path"`
	// Digest identifies the bundle: it is that of its index.json.
	Digest string `json:"digest"`
	// Size is the length of the file.
	Size int64 `json:"size"`
	// Platform is the machines' operating system and architecture.
	Platform string `json:"platform"`
	// Runtime is the version of Kubernetes, empty if there is none.
	Runtime string `json:"runtime,omitempty"`
	// Images is how many images of the application there are.
	Images int `json:"images"`
	// Fetched is how many bytes of images were not in the cache.
	Fetched int64 `json:"fetched"`
	// Unchanged tells that the file was there before, with these contents.
	Unchanged bool `json:"unchanged"`
}

// BuildEvent is a line on standard error of `tele build --format=json`. One of
// its fields is set.
type BuildEvent struct {
	Step *BuildStep `json:"step,omitempty"`
	// Detail is a line about the current step.
	Detail   string      `json:"detail,omitempty"`
	Image    *BuildImage `json:"image,omitempty"`
	Progress *Progress   `json:"progress,omitempty"`
	// Warning is a line about the manifest.
	Warning string `json:"warning,omitempty"`
}

// BuildStep is the beginning of a step.
type BuildStep struct {
	// Number counts from one to Total.
	Number  int    `json:"number"`
	Total   int    `json:"total"`
	Message string `json:"message"`
}

// BuildImage is a new state of an image: resolving, fetching, complete, failed.
type BuildImage struct {
	Reference string `json:"reference"`
	State     string `json:"state"`
	Error     string `json:"error,omitempty"`
}

// ApplicationImages is what `tele images` and `tele build --dry-run` print.
type ApplicationImages struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Runtime is the version of Kubernetes, empty if there is none.
	Runtime string `json:"runtime,omitempty"`
	// Images are those that a bundle has, sorted by reference.
	Images []WantedImage `json:"images"`
	// Suspects look like images, and are not in the bundle.
	Suspects []WantedImage `json:"suspects"`
	// Notes are about files that were left alone.
	Notes []Note `json:"notes"`
}

// WantedImage is an image with the places that ask for it.
type WantedImage struct {
	Reference string  `json:"reference"`
	Places    []Place `json:"places"`
}

// Place is a field of a file that names an image.
type Place struct {
	// File is relative to the application's folder.
	File string `json:"file"`
	// Line counts from one; zero if it is not known. Rendered is the line in what
	// File was rendered to, zero if it was not.
	Line     int `json:"line,omitempty"`
	Rendered int `json:"rendered,omitempty"`
	// Field is such as spec.containers[0].image, and Object kind and name.
	Field  string `json:"field"`
	Object string `json:"object,omitempty"`
	// Reason is why it counts, such as "workload", "chart" or "hook".
	Reason string `json:"reason"`
	// Text is the reference as it is written.
	Text string `json:"text"`
}

// Note says why something was left alone.
type Note struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
}
