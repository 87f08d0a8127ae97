package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/georedkit/georedkit/internal/lab/images"
)

func image(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("lab image", flag.ContinueOnError)
	output := flags.String("o", "", "archive to write")
	ref := flags.String("ref", "", "name of the image, NAME:TAG")
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	if *output == "" || *ref == "" || flags.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: lab image -o FILE.tar -ref NAME:TAG BINARY...; the first binary is the entrypoint")
		return errUsage
	}
	made, err := images.FromPrograms(*ref, flags.Args()...)
	if err != nil {
		return err
	}
	unfinished := *output + ".unfinished"
	file, err := os.Create(unfinished)
	if err != nil {
		return err
	}
	defer os.Remove(unfinished)
	defer file.Close()
	if err := images.Write(file, []images.Image{made}); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(unfinished, *output)
}
