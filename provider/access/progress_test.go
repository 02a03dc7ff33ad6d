package access

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/terraform-plugin-log/tflogtest"
)

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		note := Progress(tflogtest.RootLogger(context.Background(), &log), "bundle")
		for done := range int64(12) {
			note(done, 11)
			time.Sleep(time.Second)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 4 {
			t.Errorf("%d lines were logged in 12 seconds:\n%s", lines, log.String())
		}
	})
}

func TestLines(t *testing.T) {
	var log bytes.Buffer
	lines := NewLines(tflogtest.RootLogger(context.Background(), &log), "install")
	for _, part := range []string{"first\nsec", "ond\n\n", strings.Repeat("x", 2*maxLine), "\nlast"} {
		if n, err := lines.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("wrote %d of %d: %v", n, len(part), err)
		}
	}
	messages, err := tflogtest.MultilineJSONDecode(&log)
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, message := range messages {
		got = append(got, len(message["@message"].(string)))
	}
	if len(got) != 4 || got[0] != 5 || got[1] != 6 || got[2]+got[3] != 2*maxLine {
		t.Errorf("lines of %d characters were logged", got)
	}
}
