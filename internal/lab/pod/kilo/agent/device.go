package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/ipc"
	"golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/wgctrl/wgtypes"
)

// privateKey reads the node's key, or makes it. Whoever takes the file away makes the node another one.
func privateKey(folder string) (wgtypes.Key, error) {
	path := filepath.Join(folder, "key")
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wgtypes.Key{}, err
	}
	if key, err := wgtypes.ParseKey(strings.Trim(string(text), "\n")); err == nil {
		return key, nil
	}
	key, err := wgtypes.GeneratePrivateKey()
	if err != nil {
		return key, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return key, err
	}
	return key, os.WriteFile(path, []byte(key.String()), 0o600)
}

// makeDevice makes the interface: the kernel's, or where it has none, one in this process, which then ends with it.
func makeDevice(name string, mtu int) (netlink.Link, error) {
	if link, err := netlink.LinkByName(name); err == nil {
		return link, nil
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = name, mtu
	if netlink.LinkAdd(&netlink.Wireguard{LinkAttrs: attributes}) != nil {
		if err := userspace(name, mtu); err != nil {
			return nil, fmt.Errorf("interface %s: %w", name, err)
		}
	}
	return netlink.LinkByName(name)
}

func userspace(name string, mtu int) error {
	tunnel, err := tun.CreateTUN(name, mtu)
	if err != nil {
		return err
	}
	wireguard := device.NewDevice(tunnel, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, name+": "))
	file, err := ipc.UAPIOpen(name)
	if err != nil {
		return err
	}
	listener, err := ipc.UAPIListen(name, file)
	if err != nil {
		return err
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go wireguard.IpcHandle(connection)
		}
	}()
	return nil
}
