package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
)

// newEtcd is a one-member etcd without fsync: a laboratory survives kill -9, not the loss of the machine.
func newEtcd() *cobra.Command {
	var dir, client, peer string
	cmd := &cobra.Command{
		Use:           "etcd",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			config := embed.NewConfig()
			config.Dir = dir
			config.UnsafeNoFsync = true
			config.LogLevel = "error"
			clientURL, peerURL := url.URL{Scheme: "http", Host: client}, url.URL{Scheme: "http", Host: peer}
			config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{clientURL}, []url.URL{clientURL}
			config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peerURL}, []url.URL{peerURL}
			config.InitialCluster = config.InitialClusterFromName(config.Name)
			if err := forgetHalfMade(dir); err != nil {
				return fmt.Errorf("etcd: %w", err)
			}
			server, err := embed.StartEtcd(config)
			if err != nil {
				return fmt.Errorf("etcd: %w", err)
			}
			defer server.Close()
			select {
			case <-ctx.Done():
				return nil
			case err := <-server.Err():
				return err
			case <-server.Server.ReadyNotify():
			}
			if err := os.RemoveAll(halfMade(dir)); err != nil {
				return fmt.Errorf("etcd: %w", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case err := <-server.Err():
				return err
			}
		},
	}
	cmd.Flags().StringVar(&dir, "data-dir", "", "folder of the data")
	cmd.Flags().StringVar(&client, "client", "127.0.0.1:2379", "address for clients")
	cmd.Flags().StringVar(&peer, "peer", "127.0.0.1:2380", "address for peers")
	return cmd
}

// halfMade is a file that is there while a data folder has never served.
func halfMade(dir string) string { return dir + ".half-made" }

// forgetHalfMade removes the data of an etcd that was killed before it first served: its log may have no member yet, and
// without members it would never elect a leader. A folder that has served, and one of unknown history, stays.
func forgetHalfMade(dir string) error {
	if _, err := os.Stat(halfMade(dir)); err == nil {
		return os.RemoveAll(dir)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(halfMade(dir), nil, 0o600)
}
