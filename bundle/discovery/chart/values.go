package chart

import (
	"bytes"
	"fmt"

	chartloader "helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"
)

// merge makes values of files and settings, in helm's order.
func merge(files []ValuesFile, settings []string) (map[string]any, error) {
	values := map[string]any{}
	for _, file := range files {
		read, err := chartloader.LoadValues(bytes.NewReader(file.YAML))
		if err != nil {
			return nil, fmt.Errorf("--values %s: %w", file.Name, err)
		}
		values = chartloader.MergeMaps(values, read)
	}
	for _, setting := range settings {
		if err := strvals.ParseInto(setting, values); err != nil {
			return nil, fmt.Errorf("--set %s: %w", setting, err)
		}
	}
	return values, nil
}

// deepCopy copies values; rendering one chart must not change those of the next.
func deepCopy(values map[string]any) map[string]any {
	copied := make(map[string]any, len(values))
	for key, value := range values {
		copied[key] = copyValue(value)
	}
	return copied
}

func copyValue(value any) any {
	switch value := value.(type) {
	case map[string]any:
		return deepCopy(value)
	case []any:
		copied := make([]any, len(value))
		for i, item := range value {
			copied[i] = copyValue(item)
		}
		return copied
	}
	return value
}
