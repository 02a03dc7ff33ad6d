package operation

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

const (
	// maxDepth is how deep phases may lie in each other.
	maxDepth = 16
	// maxPhases is how many phases a plan may have.
	maxPhases = 100_000
	// OperationPhase is the phase ID of entries about the operation as a whole.
	OperationPhase = "/"
)

// NewID makes the ID of an operation: a random UUID.
func NewID() string { return uuid.NewString() }

var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// CheckID tells what is wrong with the ID of an operation. A valid one can be
// the name of a file.
func CheckID(operationID string) error {
	if !validID.MatchString(operationID) {
		return fmt.Errorf("operation ID %q: want letters, digits, dots, dashes and underscores, 100 at most", operationID)
	}
	return nil
}

// Validate tells everything that is wrong with a plan. A valid plan can be
// executed in the order in which it is listed.
func (p *Plan) Validate() error {
	v := validator{before: map[string]bool{}}
	v.add(CheckID(p.OperationID))
	if p.OperationType == "" {
		v.add(errors.New("operation type is empty"))
	}
	if len(p.Phases) == 0 {
		v.add(errors.New("no phases"))
	}
	v.phases("", p.Phases, 1)
	if err := errors.Join(v.problems...); err != nil {
		return fmt.Errorf("plan of operation %q: %w", p.OperationID, err)
	}
	return nil
}

type validator struct {
	// before are the IDs met so far; true for phases that end before the one
	// looked at begins, false for those around it.
	before   map[string]bool
	problems []error
}

func (v *validator) add(err error) {
	if err != nil {
		v.problems = append(v.problems, err)
	}
}

func (v *validator) addf(format string, args ...any) { v.add(fmt.Errorf(format, args...)) }

func (v *validator) phases(parent string, phases []Phase, depth int) {
	if depth > maxDepth {
		v.addf("phase %q: more than %d phases in each other", parent, maxDepth)
		return
	}
	for i := range phases {
		if len(v.before) >= maxPhases {
			v.addf("more than %d phases", maxPhases)
			return
		}
		v.phase(parent, &phases[i], depth)
	}
}

func (v *validator) phase(parent string, phase *Phase, depth int) {
	name, inside := strings.CutPrefix(phase.ID, parent+"/")
	switch _, known := v.before[phase.ID]; {
	case !inside || name == "" || strings.ContainsFunc(name, unprintable):
		v.addf("phase %q: want %q and a name", phase.ID, parent+"/")
	case known:
		v.addf("phase %q: there are two", phase.ID)
	case phase.Leaf() && phase.Executor == "":
		v.addf("phase %q: neither executor nor phases", phase.ID)
	case !phase.Leaf() && phase.Executor != "":
		v.addf("phase %q: both executor and phases", phase.ID)
	}
	for _, required := range phase.Requires {
		if !v.before[required] {
			v.addf("phase %q: requires %q, which does not end before it", phase.ID, required)
		}
	}
	v.before[phase.ID] = false
	v.phases(phase.ID, phase.Phases, depth+1)
	v.before[phase.ID] = true
}

// unprintable tells whether a name may not have the character.
func unprintable(r rune) bool { return r == '/' || r <= ' ' || r == 0x7f || r == '\uFFFD' }
