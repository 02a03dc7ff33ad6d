package report

// Preflight is what `gravity check` prints.
type Preflight struct {
	// Passed tells that no check of level error failed.
	Passed bool `json:"passed"`
	// Off tells that all checks were switched off.
	Off bool `json:"off,omitempty"`
	// Application and Version are those of the manifest, if one was given, and
	// Profile is the node profile whose requirements were checked.
	Application string `json:"application,omitempty"`
	Version     string `json:"version,omitempty"`
	Profile     string `json:"profile,omitempty"`
	// Counts are the numbers of checks by status.
	Counts CheckCounts `json:"counts"`
	// Checks are always in the same order.
	Checks []Check `json:"checks"`
}

// CheckCounts are the numbers of checks by status.
type CheckCounts struct {
	Passed   int `json:"passed"`
	Warnings int `json:"warnings"`
	Failed   int `json:"failed"`
	Skipped  int `json:"skipped"`
}

// Check is the result of one check of a machine.
type Check struct {
	// Name is stable; --skip-check takes it.
	Name string `json:"name"`
	// Level is error or warning.
	Level string `json:"level"`
	// Status is passed, warning, failed or skipped.
	Status string `json:"status"`
	// Measured is what the machine has, Wanted the threshold, and Remedy what to
	// type or change if the check did not pass.
	Measured string `json:"measured"`
	Wanted   string `json:"wanted,omitempty"`
	Remedy   string `json:"remedy,omitempty"`
	// Details are further lines, such as the last ones of a script's output.
	Details []string `json:"details"`
}
