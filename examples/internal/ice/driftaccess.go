package ice

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/georedkit/georedkit/creds"
	"github.com/georedkit/georedkit/geored"
	"github.com/georedkit/georedkit/geored/drift"
)

// granted is a role that is bound to an account.
type granted struct {
	binding string // "clusterrolebinding x", "rolebinding ns/x"
	role    rbacv1.RoleRef
	space   string // of the binding; zero: all
	meta    metav1.ObjectMeta
}

// accessThings are all roles that anything binds to the accounts whose tokens the other sites hold.
func (d *Deployment) accessThings(ctx context.Context, site geored.SiteName, _ drift.Salt) ([]drift.Thing, error) {
	type account struct {
		creds.Account
		under, mends string
	}
	step := stepID("tokens", site, "account")
	accounts := []account{{dnsAccount(), d.wantedAt(site)[step], again(string(step)) + "; a binding that was added is deleted by whoever added it"}}
	if d.Topology.Applications != nil && site != d.first() {
		revision, err := d.productRevision(ctx, site)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, account{operatorAccount(), revision, ownerOf(site)})
	}
	all, err := d.bindings(ctx, site)
	if err != nil {
		return nil, err
	}
	var things []drift.Thing
	for _, a := range accounts {
		for _, g := range all[a.Account] {
			rules, wrote, err := d.rulesOf(ctx, site, g)
			if err != nil {
				return nil, err
			}
			things = append(things, drift.Thing{Name: fmt.Sprintf("%s for account %s", g.binding, a.Account), Under: a.under, Mends: a.mends, Wrote: wrote,
				Facts: merged(map[string]string{"role": g.role.Kind + " " + g.role.Name}, numbered("rule", rules))})
		}
	}
	return things, nil
}

// bindings are the roles of every service account of a site.
func (d *Deployment) bindings(ctx context.Context, site geored.SiteName) (map[creds.Account][]granted, error) {
	client := d.Clusters[site].Client().RbacV1()
	found := map[creds.Account][]granted{}
	note := func(subjects []rbacv1.Subject, g granted) {
		for _, s := range subjects {
			if s.Kind == rbacv1.ServiceAccountKind {
				account := creds.Account{Namespace: s.Namespace, Name: s.Name}
				found[account] = append(found[account], g)
			}
		}
	}
	everywhere, err := client.ClusterRoleBindings().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, b := range everywhere.Items {
		note(b.Subjects, granted{"clusterrolebinding " + b.Name, b.RoleRef, "", b.ObjectMeta})
	}
	inside, err := client.RoleBindings(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, b := range inside.Items {
		note(b.Subjects, granted{"rolebinding " + b.Namespace + "/" + b.Name, b.RoleRef, b.Namespace, b.ObjectMeta})
	}
	return found, nil
}

// rulesOf are what a bound role allows, one text each. A role that is not there allows nothing.
func (d *Deployment) rulesOf(ctx context.Context, site geored.SiteName, g granted) (rules []string, wrote string, err error) {
	client := d.Clusters[site].Client().RbacV1()
	var role []rbacv1.PolicyRule
	var meta metav1.ObjectMeta
	if g.role.Kind == "Role" {
		var r *rbacv1.Role
		if r, err = client.Roles(g.space).Get(ctx, g.role.Name, metav1.GetOptions{}); err == nil {
			role, meta = r.Rules, r.ObjectMeta
		}
	} else {
		var r *rbacv1.ClusterRole
		if r, err = client.ClusterRoles().Get(ctx, g.role.Name, metav1.GetOptions{}); err == nil {
			role, meta = r.Rules, r.ObjectMeta
		}
	}
	if apierrors.IsNotFound(err) {
		return nil, writer(g.meta, ""), nil
	}
	for _, r := range role {
		text := strings.Join(sorted(r.Verbs), " ") + " " + strings.Join(sorted(append(slices.Clone(r.Resources), r.NonResourceURLs...)), " ")
		if groups := strings.Join(sorted(r.APIGroups), " "); groups != "" {
			text += " of " + groups
		}
		if names := strings.Join(sorted(r.ResourceNames), " "); names != "" {
			text += " named " + names
		}
		rules = append(rules, text)
	}
	return rules, writer(meta, ""), err
}

func sorted(texts []string) []string { return slices.Sorted(slices.Values(texts)) }

// dies is the fact that says when a token is over.
const dies = "dies"

// tokenThings are the copies of other sites' credentials that a site holds.
func (d *Deployment) tokenThings(ctx context.Context, site geored.SiteName, salt drift.Salt) ([]drift.Thing, error) {
	grants, err := d.grants()
	if err != nil {
		return nil, err
	}
	operators, err := d.operatorGrants()
	if err != nil {
		return nil, err
	}
	var things []drift.Thing
	for _, g := range append(grants, operators...) {
		if g.To() != site {
			continue
		}
		live, err := d.Clusters[site].Client().CoreV1().Secrets(g.Consumer.Namespace).Get(ctx, g.Secret, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue // that it is gone is seen against the record
		}
		if err != nil {
			return nil, err
		}
		things = append(things, tokenThing(g, *live, salt))
	}
	return things, nil
}

func tokenThing(g creds.Grant, live corev1.Secret, salt drift.Salt) drift.Thing {
	stage := "credentials"
	if g.Account == operatorAccount() {
		stage = "operator-credentials"
	}
	secret := creds.Secret{Name: live.Name, Namespace: live.Namespace, Type: string(live.Type), Data: map[string]creds.Document{}}
	for key, value := range live.Data {
		secret.Data[key] = creds.NewDocument(string(value))
	}
	thing := drift.Thing{Name: "secret " + live.Namespace + "/" + live.Name, Wrote: writer(live.ObjectMeta, ""), Facts: map[string]string{},
		Mends: fmt.Sprintf("run ice-install again: its stage %s copies what site %s gives out now", stage, g.Source)}
	e, err := secret.Export()
	if err != nil {
		thing.Facts["readable"] = "no"
		return thing
	}
	thing.Facts["readable"] = "yes"
	thing.Facts["account"], thing.Facts["server"] = e.Account.String(), e.Server
	thing.Facts["token"], thing.Facts["authority"] = "digest "+e.Token.Digest(), "digest "+salt.Digest(string(e.CA))
	thing.Facts[dies] = "never, as far as it says"
	if deadline := e.Deadline(); !deadline.IsZero() {
		thing.Facts[dies] = deadline.UTC().Format(time.RFC3339)
	}
	return thing
}
