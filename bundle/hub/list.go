package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/gravity-platform/terraform-provider-gravity/bundle"
	"github.com/gravity-platform/terraform-provider-gravity/internal/cli"
)

// Limits on what a hub lists.
const (
	maxPageSize = 4 << 20
	maxPages    = 1000
	maxListed   = 100_000
	pageLength  = "1000"
)

// Listed is a bundle in a hub, as the hub says: nobody vouches for it.
type Listed struct {
	// Reference is its full name, with its tag.
	Reference string
	// Name and Version are the application's, Runtime the version of Kubernetes, or
	// empty for an application for clusters that exist.
	Name, Version, Runtime string
	// Digest is the bundle's, Size the sum of its blobs and entries in bytes.
	Digest string
	Size   int64
}

// ErrNoCatalogue tells that a registry does not list its repositories.
var ErrNoCatalogue = errors.New("the hub does not list its repositories")

// List lists the bundles below HOST[/PATH], sorted by name and version, the newest
// version first. Where the registry does not list its repositories, PATH must be
// one of them.
func (c *Connection) List(ctx context.Context, prefix string) ([]Listed, error) {
	host, path := SplitHost(strings.TrimSuffix(prefix, "/"))
	if host == "" {
		return nil, cli.Usagef("hub %q: write HOST or HOST/PATH", prefix)
	}
	registry, err := name.NewRegistry(host, c.nameOptions(host)...)
	if err != nil {
		return nil, cli.Usagef("hub %q: %w", prefix, err)
	}
	paths, err := c.repositories(ctx, registry, path)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, explain(err, registry))
	}
	var listed []Listed
	for _, one := range paths {
		found, err := c.bundles(ctx, registry.Repo(one))
		if err != nil {
			return nil, fmt.Errorf("list %s/%s: %w", host, one, explain(err, registry))
		}
		listed = append(listed, found...)
	}
	slices.SortStableFunc(listed, func(a, b Listed) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		return -compareVersions(a.Version, b.Version)
	})
	return listed, nil
}

// repositories are those below a path. Without a catalogue, it is the path.
func (c *Connection) repositories(ctx context.Context, registry name.Registry, path string) ([]string, error) {
	all, err := c.catalogue(ctx, registry)
	if err != nil {
		if code := status(err); code != http.StatusNotFound && code != http.StatusMethodNotAllowed && code != http.StatusUnauthorized &&
			code != http.StatusForbidden && code != http.StatusNotImplemented {
			return nil, err
		}
		if path == "" {
			return nil, cli.WithHint(fmt.Errorf("%w: %w", ErrNoCatalogue, err), "name a bundle: 'tele ls %s/PATH/NAME'", registry.RegistryStr())
		}
		return []string{path}, nil
	}
	found := slices.DeleteFunc(all, func(one string) bool {
		return path != "" && one != path && !strings.HasPrefix(one, path+"/")
	})
	slices.Sort(found)
	return slices.Compact(found), nil
}

func (c *Connection) catalogue(ctx context.Context, registry name.Registry) ([]string, error) {
	logged, err := c.client(ctx, registry, registry, registry.Scope(transport.CatalogScope))
	if err != nil {
		return nil, err
	}
	return logged.pages(ctx, logged.url("_catalog"), func(content []byte) ([]string, error) {
		var page struct {
			Repositories []string `json:"repositories"`
		}
		err := unmarshal(content, &page)
		return slices.DeleteFunc(page.Repositories, func(one string) bool {
			_, err := name.NewRepository(registry.RegistryStr() + "/" + one)
			return err != nil
		}), err
	})
}

// pages reads a list that comes in pages.
func (c *client) pages(ctx context.Context, address *url.URL, parse func([]byte) ([]string, error)) ([]string, error) {
	address.RawQuery = url.Values{"n": {pageLength}}.Encode()
	var all []string
	for range maxPages {
		response, content, err := c.do(ctx, call{method: http.MethodGet, address: address}, nil, maxPageSize, http.StatusOK)
		if err != nil {
			return nil, err
		}
		page, err := parse(content)
		if err != nil {
			return nil, err
		}
		if all = append(all, page...); len(all) > maxListed {
			break
		}
		next := nextPage(response.Header.Get("Link"))
		if next == "" {
			return all, nil
		}
		if address, err = c.sameHost(response, next); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the registry lists more than %d", maxListed)
}

// nextPage reads `<ADDRESS>; rel="next"`.
func nextPage(link string) string {
	address, parameters, ok := strings.Cut(link, ">")
	if !ok || !strings.HasPrefix(address, "<") || !strings.Contains(parameters, "next") {
		return ""
	}
	return address[1:]
}

// Versions lists the tags of a bundle's repository, HOST/PATH/NAME, that can be
// versions, the newest first.
func (c *Connection) Versions(ctx context.Context, reference string) ([]string, error) {
	host, path := SplitHost(reference)
	repository, err := name.NewRepository(host+"/"+path, c.nameOptions(host)...)
	if host == "" || path == "" || err != nil {
		return nil, cli.Usagef("bundle %q: write HOST/NAME", reference)
	}
	logged, err := c.client(ctx, repository.Registry, repository, repository.Scope(transport.PullScope))
	if err == nil {
		var tags []string
		if tags, err = logged.tags(ctx, repository); err == nil {
			return tags, nil
		}
	}
	return nil, fmt.Errorf("list %s: %w", reference, explain(notFound(err, reference), repository.Registry))
}

// tags are the tags of a repository that can be versions, the newest first.
func (c *client) tags(ctx context.Context, repository name.Repository) ([]string, error) {
	tags, err := c.pages(ctx, c.url("%s/tags/list", repository.RepositoryStr()), func(content []byte) ([]string, error) {
		var page struct {
			Tags []string `json:"tags"`
		}
		err := unmarshal(content, &page)
		return page.Tags, err
	})
	if err != nil {
		return nil, err
	}
	tags = slices.DeleteFunc(tags, func(tag string) bool {
		_, err := semver.StrictNewVersion(Version(tag))
		return err != nil
	})
	slices.SortFunc(tags, func(a, b string) int { return -compareVersions(Version(a), Version(b)) })
	return slices.Compact(tags), nil
}

func compareVersions(a, b string) int {
	first, errA := semver.StrictNewVersion(a)
	second, errB := semver.StrictNewVersion(b)
	if errA != nil || errB != nil {
		return strings.Compare(a, b)
	}
	if order := first.Compare(second); order != 0 {
		return order
	}
	return strings.Compare(a, b) // of build metadata
}

// bundles lists the bundles of a repository.
func (c *Connection) bundles(ctx context.Context, repository name.Repository) ([]Listed, error) {
	logged, err := c.client(ctx, repository.Registry, repository, repository.Scope(transport.PullScope))
	if err != nil {
		return nil, err
	}
	tags, err := logged.tags(ctx, repository)
	if status(err) == http.StatusNotFound {
		return nil, nil // a repository of which everything was removed
	}
	if err != nil {
		return nil, err
	}
	found := make([]*Listed, len(tags))
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(c.options.Parallel)
	for i, tag := range tags {
		group.Go(func() error {
			var err error
			found[i], _, err = logged.describe(working, repository.Tag(tag))
			if errors.Is(err, errNoBundle) || status(err) == http.StatusNotFound {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var listed []Listed
	for _, one := range found {
		if one != nil {
			listed = append(listed, *one)
		}
	}
	return listed, nil
}

// describe reads what a tag leads to, and its digest.
func (c *client) describe(ctx context.Context, tag name.Tag) (*Listed, v1.Hash, error) {
	_, content, err := c.do(ctx, call{
		method: http.MethodGet, address: c.url("%s/manifests/%s", tag.RepositoryStr(), tag.TagStr()),
		header: map[string]string{"Accept": accepted},
	}, nil, bundle.MaxManifestSize, http.StatusOK)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	read, err := parseIndex(content)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	digest, _, err := v1.SHA256(strings.NewReader(string(content)))
	return &Listed{
		Reference: tag.Name(), Name: read.name, Version: read.version, Runtime: read.runtime, Digest: read.digest, Size: read.size,
	}, digest, err
}

// ErrCannotDelete tells that a registry deletes nothing.
var ErrCannotDelete = errors.New("the hub does not delete bundles")

// Remove removes a bundle from its hub: its name, and what only that leads to as
// soon as the registry collects its garbage. What is not a bundle is refused.
func (c *Connection) Remove(ctx context.Context, reference string) (*Listed, error) {
	parsed, err := c.parse(reference)
	if err != nil {
		return nil, err
	}
	tag, ok := parsed.(name.Tag)
	if !ok {
		return nil, cli.Usagef("bundle %q: write HOST/NAME:VERSION", reference)
	}
	removed, err := c.remove(ctx, tag)
	if err != nil {
		return nil, fmt.Errorf("remove %s: %w", reference, explain(notFound(err, reference), tag.Registry))
	}
	return removed, nil
}

func (c *Connection) remove(ctx context.Context, tag name.Tag) (*Listed, error) {
	logged, err := c.client(ctx, tag.Registry, tag.Context(), tag.Scope(transport.DeleteScope), tag.Scope(transport.PullScope))
	if err != nil {
		return nil, err
	}
	found, digest, err := logged.describe(ctx, tag)
	if err != nil {
		return nil, err
	}
	err = logged.delete(ctx, tag, digest.String())
	if err == nil {
		// Some registries keep the tag, which then leads to nothing.
		if err = logged.delete(ctx, tag, tag.TagStr()); err != nil && status(err) < http.StatusInternalServerError {
			err = nil
		}
	}
	if cannotDelete(err) {
		return nil, cli.WithHint(fmt.Errorf("%w: %w", ErrCannotDelete, err),
			"its operator can allow it (REGISTRY_STORAGE_DELETE_ENABLED of CNCF distribution), or removes bundles in another way")
	}
	return found, err
}

func (c *client) delete(ctx context.Context, tag name.Tag, identifier string) error {
	address := c.url("%s/manifests/%s", tag.RepositoryStr(), identifier)
	_, _, err := c.do(ctx, call{method: http.MethodDelete, address: address}, nil, maxPageSize, http.StatusAccepted, http.StatusOK, http.StatusNoContent)
	return err
}

func cannotDelete(err error) bool {
	refused, ok := errors.AsType[*transport.Error](err)
	if !ok {
		return false
	}
	unsupported := slices.ContainsFunc(refused.Errors, func(one transport.Diagnostic) bool { return one.Code == transport.UnsupportedErrorCode })
	return unsupported || refused.StatusCode == http.StatusMethodNotAllowed || refused.StatusCode == http.StatusNotImplemented
}

// Check logs in to a registry with given credentials, or those of the keychain if
// there are none, and says whether it accepts them.
func (c *Connection) Check(ctx context.Context, host string, credentials authn.Authenticator) error {
	registry, err := name.NewRegistry(host, c.nameOptions(host)...)
	if err != nil {
		return cli.Usagef("hub %q: %w", host, err)
	}
	if credentials == nil {
		if credentials, err = authn.Resolve(ctx, c.options.Keychain, registry); err != nil {
			return fmt.Errorf("find credentials of %s: %w", host, err)
		}
	}
	logged, err := c.clientWith(ctx, registry, credentials)
	if err == nil {
		_, _, err = logged.do(ctx, call{method: http.MethodGet, address: logged.url("")}, nil, maxPageSize, http.StatusOK)
	}
	if err != nil {
		return fmt.Errorf("log in to %s: %w", host, explain(err, registry))
	}
	return nil
}
