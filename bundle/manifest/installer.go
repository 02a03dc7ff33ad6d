package manifest

// Installer is what an installation asks and offers.
type Installer struct {
	// EULA is the licence agreement that whoever installs must accept.
	EULA EULA `json:"eula,omitzero"`
	// SetupEndpoints are the names of endpoints that whoever installs is led
	// to; the first is the screen after the installation (S19).
	SetupEndpoints []string `json:"setupEndpoints,omitempty"`
	// Flavors are the sizes of clusters to choose from.
	Flavors *Flavors `json:"flavors,omitempty"`
}

// EULA is a licence agreement.
type EULA struct {
	// Source is the agreement: text, or a file:// or http(s):// reference.
	Source Source `json:"source,omitempty" manifest:"fetch=text"`
}

// Flavors are the sizes of clusters that one can install.
type Flavors struct {
	// Default is the name of the flavor that is taken where none is asked for;
	// empty means the first.
	Default string `json:"default,omitempty"`
	// Prompt is the question that leads to the choice.
	Prompt string `json:"prompt,omitempty"`
	// Description explains the choice: text, or a file:// or http(s)://
	// reference.
	Description Source `json:"description,omitempty" manifest:"fetch=text"`
	// Items are the flavors.
	Items []Flavor `json:"items" manifest:"required"`
}

// Flavor is a size of a cluster: how many nodes of each profile it has.
type Flavor struct {
	// Name is what --flavor takes.
	Name string `json:"name" manifest:"required"`
	// Description explains the flavor.
	Description string `json:"description,omitempty"`
	// Nodes are the nodes of the flavor.
	Nodes []FlavorNodes `json:"nodes" manifest:"required"`
}

// FlavorNodes are the nodes of one profile in a flavor.
type FlavorNodes struct {
	// Profile is the name of a node profile.
	Profile string `json:"profile" manifest:"required"`
	// Count is how many nodes of the profile an installation has.
	Count int `json:"count" manifest:"required"`
}

// Flavor returns the flavor of a name, or the default one for an empty name.
func (m *Manifest) Flavor(name string) (Flavor, bool) {
	flavors := m.Installer.Flavors
	if flavors == nil {
		return Flavor{}, false
	}
	if name == "" {
		name = flavors.Default
	}
	for _, flavor := range flavors.Items {
		if flavor.Name == name || name == "" {
			return flavor, true
		}
	}
	return Flavor{}, false
}
