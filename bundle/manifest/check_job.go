package manifest

import (
	"go.yaml.in/yaml/v3"
)

// job checks that the text of a hook is a Kubernetes Job. What is in the Job
// beyond its containers is for Kubernetes to judge.
func (c checks) job(path string, text Source) {
	root, problem := loadYAML([]byte(text))
	if problem != nil {
		c.inJob(path, problem.Line, problem.Hint, "the job "+problem.Message)
		return
	}
	if root.Kind != yaml.MappingNode {
		c.inJob(path, root.Line, "write a Kubernetes Job, or file://PATH of one", describe(root)+" is not a Job")
		return
	}
	for _, must := range []struct{ field, be string }{{"apiVersion", "batch/v1"}, {"kind", "Job"}} {
		field, want := must.field, must.be
		value := lookup(root, field)
		switch {
		case value == nil:
			c.inJob(path, root.Line, "write "+field+": "+want, "the job has no "+field)
		case value.Value != want:
			c.inJob(path, value.Line, "write "+field+": "+want, "the job's "+field+" is "+describe(value))
		}
	}
	containers := lookup(root, "spec", "template", "spec", "containers")
	if containers == nil || containers.Kind != yaml.SequenceNode || len(containers.Content) == 0 {
		c.inJob(path, root.Line, "list them under spec.template.spec.containers", "the job has no containers")
		return
	}
	for _, container := range containers.Content {
		if image := lookup(deref(container), "image"); image == nil || image.Value == "" {
			c.inJob(path, container.Line, "write image: NAME:TAG", "a container of the job has no image")
		}
	}
}

// inJob reports a problem on a line of a job: that line of the manifest if the
// job is a literal block of it, else the line of the field and the line in the
// file that it came from.
func (c checks) inJob(path string, line int, hint, message string) {
	from := c.m.origins[path]
	if from != "" && line > 0 {
		message = from + ", " + lineOf(&yaml.Node{Line: line}) + ": " + message
	}
	p := c.problem(path, hint, "%s", message)
	node := c.index[path].value
	if from == "" && node != nil && node.Kind == yaml.ScalarNode && node.Style&yaml.LiteralStyle != 0 && node.Line > 0 && line > 0 {
		p.Line, p.Column = node.Line+line, 0
	}
	c.fail(p)
}

// lookup follows the names of fields through mappings; nil if one is missing.
func lookup(node *yaml.Node, names ...string) *yaml.Node {
	for _, name := range names {
		next := valueOf(deref(node), name)
		if next == nil {
			return nil
		}
		node = deref(next)
	}
	return node
}

// valueOf is the value of a field of a mapping; nil if it has none.
func valueOf(node *yaml.Node, name string) *yaml.Node {
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if deref(node.Content[i]).Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}
