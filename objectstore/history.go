package objectstore

import (
	"fmt"
	"slices"
)

// version is what two sites' versions of one key have in common when they are the same: the IDs differ wherever the
// store did not replicate them itself.
type version struct {
	marker bool
	size   int64
	etag   ETag
}

func versionOf(o Object) version { return version{o.DeleteMarker, o.Size, o.ETag} }

// history compares the old versions of one key, newest first. Versions are paired by ID or by content, in any order.
// It gives no kind when every one has its match. The current versions have been judged already: they are left out when
// they differ.
func history(a, b []Object, currentDiffers bool) (Judgement, string) {
	onlyA, onlyB := unmatched(a, b)
	if currentDiffers {
		onlyA, onlyB = withoutLatest(onlyA), withoutLatest(onlyB)
	}
	onlyA, onlyB, unproven := doubtful(onlyA, onlyB)
	switch {
	case len(onlyA)+len(onlyB) > 0:
		detail := fmt.Sprintf("%s against %s", describe(onlyA), describe(onlyB))
		return Judgement{State: Different, Proof: ByListing}, detail
	case unproven.State != "":
		return unproven, ""
	}
	return Judgement{State: Equal, Proof: ByListing}, ""
}

// unmatched gives the versions of each side that the other has not.
func unmatched(a, b []Object) (onlyA, onlyB []Object) {
	if len(a) == 1 && len(b) == 1 && versionOf(a[0]) == versionOf(b[0]) {
		return nil, nil
	}
	left := make(map[version]int, len(b))
	for _, o := range b {
		left[versionOf(o)]++
	}
	for _, o := range a {
		if v := versionOf(o); left[v] > 0 {
			left[v]--
		} else {
			onlyA = append(onlyA, o)
		}
	}
	for _, o := range slices.Backward(b) {
		if v := versionOf(o); left[v] > 0 {
			left[v]--
			onlyB = append(onlyB, o)
		}
	}
	return onlyA, onlyB
}

func withoutLatest(versions []Object) []Object {
	return slices.DeleteFunc(versions, func(o Object) bool { return o.Latest })
}

// doubtful takes out the versions that may be the same although their ETags differ, each with its counterpart.
func doubtful(onlyA, onlyB []Object) (restA, restB []Object, j Judgement) {
	restB = onlyB
	for _, a := range onlyA {
		i := slices.IndexFunc(restB, func(b Object) bool {
			return a.DeleteMarker == b.DeleteMarker && Judge(a, b).State == Unproven
		})
		if i < 0 {
			restA = append(restA, a)
			continue
		}
		j = Judge(a, restB[i])
		restB = slices.Delete(slices.Clone(restB), i, i+1)
	}
	return restA, restB, j
}

func describe(versions []Object) string {
	markers := 0
	for _, o := range versions {
		if o.DeleteMarker {
			markers++
		}
	}
	return fmt.Sprintf("%d versions and %d delete markers more", len(versions)-markers, markers)
}
