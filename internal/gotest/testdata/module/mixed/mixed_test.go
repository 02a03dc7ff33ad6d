package mixed

import "testing"

func TestPasses(t *testing.T) { t.Log("not to be seen") }

func TestFails(t *testing.T) {
	t.Run("good", func(*testing.T) {})
	t.Run("bad", func(t *testing.T) { t.Error("this went wrong") })
}

func TestSkips(t *testing.T) { t.Skip("needs root: run it as root") }

func TestShort(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
}
