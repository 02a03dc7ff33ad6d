package install

import (
	"context"
)

// application installs the application: its files, and what its hooks do.
type application struct{ *environment }

func (a *application) Done(context.Context) (bool, error) { return false, nil }
func (a *application) Execute(context.Context) error      { return nil }
func (a *application) Rollback(context.Context) error     { return nil }
