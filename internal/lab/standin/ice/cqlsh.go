package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/gocql/gocql"
)

// cqlsh is as much of Cassandra's shell as an administrator's one-liners need: -e STATEMENT at the pod's own node, with
// cqlsh's own consistency, ONE, which another site may answer.
func cqlsh(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("cqlsh", flag.ExitOnError)
	statement := flags.String("e", "", "statement")
	user := flags.String("u", os.Getenv("user"), "user")
	password := flags.String("p", os.Getenv("password"), "password")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *statement == "" {
		return errors.New("there is no terminal: say -e STATEMENT")
	}
	session, err := dial("127.0.0.1", login{*user, *password}, gocql.One)
	if err != nil {
		return err
	}
	defer session.Close()
	rows := session.Query(strings.TrimSuffix(strings.TrimSpace(*statement), ";")).WithContext(ctx).Iter()
	names := make([]string, len(rows.Columns()))
	for i, column := range rows.Columns() {
		names[i] = column.Name
	}
	table, err := rows.SliceMap()
	if err != nil {
		return err
	}
	printTable(names, table)
	return nil
}

// printTable prints as cqlsh does.
func printTable(names []string, table []map[string]any) {
	if len(names) == 0 {
		return
	}
	widths := make([]int, len(names))
	for i, name := range names {
		widths[i] = len(name)
		for _, row := range table {
			widths[i] = max(widths[i], len(fmt.Sprint(row[name])))
		}
	}
	line := func(cell func(i int) string, fill, between string) string {
		cells := make([]string, len(names))
		for i := range names {
			text := cell(i)
			cells[i] = fill + strings.Repeat(fill, widths[i]-len(text)) + text + fill
		}
		return strings.TrimRight(strings.Join(cells, between), " ")
	}
	fmt.Println("\n" + line(func(i int) string { return names[i] }, " ", "|"))
	fmt.Println(line(func(int) string { return "" }, "-", "+"))
	for _, row := range table {
		fmt.Println(line(func(i int) string { return fmt.Sprint(row[names[i]]) }, " ", "|"))
	}
	fmt.Printf("\n(%d rows)\n", len(table))
}
