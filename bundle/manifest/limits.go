package manifest

// What a manifest may cost. All are far beyond what people write.
const (
	// MaxSize is the size of a manifest in bytes, with everything that Vendor
	// put into it: 4 MiB.
	MaxSize = 4 << 20
	// MaxValueSize is the size of what one reference leads to, in bytes: 1 MiB.
	MaxValueSize = 1 << 20
	// MaxDepth is how deep values may be nested.
	MaxDepth = 64
	// MaxNodes is how many keys and values there may be. An alias counts as
	// much as what it stands for, as often as it is used.
	MaxNodes = 100_000
	// MaxProblems is how many problems are described; others are counted.
	MaxProblems = 100

	// maxIndicators is how many characters there may be that YAML starts
	// something with. The YAML parser's memory grows with them: this bounds it
	// before it runs. Texts and JSON inside the manifest contain them too, so
	// there may be more than MaxNodes.
	maxIndicators = 500_000
)
