// A table with a caption, and headers that sort. On a narrow screen each row becomes a card, and the headers a choice of orders; the
// roles are written out because browsers forget a table's when it is laid out as something else.

import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { compareCells, type SortValue } from '../model/sorting.ts';
import { formatCount } from '../model/format.ts';
import { Scroll } from './scroll.tsx';

export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  readonly cell: (row: Row) => ComponentChildren;
  /** Left out: the column does not sort. */
  readonly sort?: (row: Row) => SortValue;
  readonly align?: 'end';
  /** Text that may be long, and takes what room is left. */
  readonly wide?: boolean;
}

export interface Order {
  readonly key: string;
  readonly descending: boolean;
}

interface Props<Row> {
  readonly caption: string;
  /** The heading above says the same. */
  readonly captionHidden?: boolean;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  /** Left out: as the rows come. */
  readonly order?: Order;
  readonly empty: ComponentChildren;
  readonly tone?: (row: Row) => string | undefined;
}

/** Drawn at once; more are drawn when asked for. */
const ROWS_FIRST = 100;

export function DataTable<Row>(props: Props<Row>): JSX.Element {
  const { caption, captionHidden = false, columns, rows, rowKey, empty, tone } = props;
  const [order, setOrder] = useState(props.order);
  const [all, setAll] = useState(false);
  const by = columns.find(({ key }) => key === order?.key)?.sort;
  const sorted =
    by === undefined || order === undefined
      ? rows
      : rows.toSorted((one, other) => compareCells(by(one), by(other), order.descending));
  const shown = all ? sorted : sorted.slice(0, ROWS_FIRST);
  const label = <span class={captionHidden ? 'hidden' : 'caption'}>{caption}</span>;
  if (rows.length === 0)
    return (
      <div class="table-empty">
        {label}
        {empty}
      </div>
    );
  return (
    <>
      <Scroll label={caption}>
        <table class="table" role="table">
          <caption>{label}</caption>
          <thead role="rowgroup">
            <tr role="row">
              {columns.map((column) => (
                <Header key={column.key} column={column} order={order} setOrder={setOrder} />
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {shown.map((row) => (
              <tr role="row" key={rowKey(row)} data-tone={tone?.(row)}>
                {columns.map(({ key, title, cell, align, wide }, at) =>
                  at === 0 ? (
                    <th key={key} role="rowheader" scope="row" data-align={align} data-wide={wide}>
                      {cell(row)}
                    </th>
                  ) : (
                    <td key={key} role="cell" data-label={title} data-align={align} data-wide={wide}>
                      {cell(row)}
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {shown.length < sorted.length && (
        <p class="table-more">
          <button type="button" onClick={() => setAll(true)}>
            Show all {formatCount(sorted.length)}
          </button>
        </p>
      )}
    </>
  );
}

function Header<Row>({
  column: { key, title, sort, align },
  order,
  setOrder,
}: {
  readonly column: Column<Row>;
  readonly order: Order | undefined;
  readonly setOrder: (order: Order) => void;
}): JSX.Element {
  if (sort === undefined) {
    return (
      <th role="columnheader" scope="col" data-align={align} data-fixed="true">
        {title}
      </th>
    );
  }
  const mine = order?.key === key ? order : undefined;
  const direction = mine === undefined ? 'none' : mine.descending ? 'descending' : 'ascending';
  // Figures are looked at from the largest on, names from A.
  const next = mine === undefined ? align === 'end' : !mine.descending;
  return (
    <th role="columnheader" scope="col" aria-sort={direction} data-align={align}>
      <button type="button" onClick={() => setOrder({ key, descending: next })}>
        {title}
        <span class="sort-sign" aria-hidden="true">
          {direction === 'ascending' ? '▲' : direction === 'descending' ? '▼' : ''}
        </span>
      </button>
    </th>
  );
}
