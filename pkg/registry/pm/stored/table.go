// Copyright The OaaS Authors.
// SPDX-License-Identifier: Apache-2.0

package stored

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metatable "k8s.io/apimachinery/pkg/api/meta/table"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Wide is the priority of a column that kubectl shows with -o wide only.
const Wide int32 = 1

// Column is a column of a table.
type Column[T Object] struct {
	// Name is the heading, which kubectl prints in capitals.
	Name string
	// Type is an OpenAPI type: string, integer, boolean or date.
	Type string
	// Description says what the cells tell.
	Description string
	// Priority 0 is always shown, Wide only when asked for.
	Priority int32
	// Cell is the object's value; "" and nil show as nothing.
	Cell func(T) any
}

type tableConvertor[T Object] struct {
	columns     []Column[T]
	definitions []metav1.TableColumnDefinition
}

// NewTableConvertor shows objects in the given columns, between their name and
// their age.
func NewTableConvertor[T Object](columns []Column[T]) rest.TableConvertor {
	docs := metav1.ObjectMeta{}.SwaggerDoc()
	definitions := make([]metav1.TableColumnDefinition, 0, len(columns)+2)
	definitions = append(definitions, metav1.TableColumnDefinition{
		Name: "Name", Type: "string", Format: "name", Description: docs["name"],
	})
	for _, column := range columns {
		definitions = append(definitions, metav1.TableColumnDefinition{
			Name: column.Name, Type: column.Type, Description: column.Description, Priority: column.Priority,
		})
	}
	definitions = append(definitions, metav1.TableColumnDefinition{
		Name: "Age", Type: "date", Description: docs["creationTimestamp"],
	})
	return tableConvertor[T]{columns: columns, definitions: definitions}
}

// ConvertToTable renders an object or a list.
func (c tableConvertor[T]) ConvertToTable(_ context.Context, object, options runtime.Object) (*metav1.Table, error) {
	table := &metav1.Table{}
	if list, err := meta.ListAccessor(object); err == nil {
		table.ResourceVersion = list.GetResourceVersion()
		table.Continue = list.GetContinue()
		table.RemainingItemCount = list.GetRemainingItemCount()
	} else if single, err := meta.CommonAccessor(object); err == nil {
		table.ResourceVersion = single.GetResourceVersion()
	}
	asked, _ := options.(*metav1.TableOptions)
	if asked == nil || !asked.NoHeaders {
		table.ColumnDefinitions = c.definitions
	}

	rows, err := metatable.MetaToTableRow(object, c.row)
	if err != nil {
		return nil, err
	}
	table.Rows = rows
	if asked != nil && (asked.IncludeObject == metav1.IncludeMetadata || asked.IncludeObject == "") {
		return table, leaveOutManagedFields(table.Rows)
	}
	return table, nil
}

// leaveOutManagedFields makes the objects of rows what the client asked for, their
// metadata, without the managed fields. A table is to be looked at, and they are
// most of what a client would have to decode for it.
func leaveOutManagedFields(rows []metav1.TableRow) error {
	for i := range rows {
		object, err := meta.Accessor(rows[i].Object.Object)
		if err != nil {
			return fmt.Errorf("read the metadata of row %d: %w", i, err)
		}
		shown := meta.AsPartialObjectMetadata(object)
		shown.ManagedFields = nil
		rows[i].Object.Object = shown
	}
	return nil
}

func (c tableConvertor[T]) row(object runtime.Object, _ metav1.Object, name, age string) ([]any, error) {
	typed, ok := object.(T)
	if !ok {
		return nil, fmt.Errorf("cannot show %T in a table of %T", object, *new(T))
	}
	cells := make([]any, 0, len(c.definitions))
	cells = append(cells, name)
	for _, column := range c.columns {
		cells = append(cells, column.Cell(typed))
	}
	return append(cells, age), nil
}

// Age renders a time as the time that has passed since, the way that kubectl
// shows ages; nothing for a time that was never set.
func Age(at *metav1.Time) any {
	if at.IsZero() {
		return ""
	}
	return metatable.ConvertToHumanReadableDateType(*at)
}

// ConditionStatus is the status of the condition of a type; Unknown until it
// was observed.
func ConditionStatus(conditions []metav1.Condition, conditionType string) string {
	condition := meta.FindStatusCondition(conditions, conditionType)
	if condition == nil {
		return string(metav1.ConditionUnknown)
	}
	return string(condition.Status)
}
