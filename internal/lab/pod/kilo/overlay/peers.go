package overlay

import (
	"maps"
	"reflect"
	"slices"

	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// Peers is what Kilo knows of the Peer objects. It is filed by public key: of two objects with one key the one that
// changed last counts, and when either goes, the key goes.
type Peers struct {
	objects map[string]PeerSpec
	byKey   map[wgtypes.Key]Peer
}

// List are the peers that are known, by key.
func (p *Peers) List() []Peer {
	var all []Peer
	for _, key := range slices.SortedFunc(maps.Keys(p.byKey), compareKeys) {
		if p.byKey[key].Ready() {
			all = append(all, p.byKey[key])
		}
	}
	return all
}

func compareKeys(a, b wgtypes.Key) int { return slices.Compare(a[:], b[:]) }

// Update takes the objects as they are now. An object that became invalid leaves behind what it said before; one that was
// invalid before is not seen, until a resync tells of all objects anew.
func (p *Peers) Update(objects map[string]PeerSpec, resync bool) {
	if p.byKey == nil {
		p.byKey = map[wgtypes.Key]Peer{}
	}
	for _, name := range slices.Sorted(maps.Keys(p.objects)) {
		if _, there := objects[name]; !there {
			if old, valid := ReadPeer(name, p.objects[name]); valid {
				delete(p.byKey, old.Key)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		before, known := p.objects[name]
		if known && !resync && reflect.DeepEqual(before, objects[name]) {
			continue
		}
		if resync {
			before = objects[name]
		}
		peer, valid := ReadPeer(name, objects[name])
		old, wasValid := ReadPeer(name, before)
		if !valid || known && !wasValid {
			continue
		}
		if known && old.Key != peer.Key {
			delete(p.byKey, old.Key)
		}
		p.byKey[peer.Key] = peer
	}
	p.objects = objects
}
