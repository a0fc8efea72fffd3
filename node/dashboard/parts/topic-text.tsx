// A topic or filter, which breaks between its levels where it has to.

import { Fragment, type JSX } from 'preact';

export function TopicText({ of }: { readonly of: string }): JSX.Element {
  return (
    <code>
      {of.split('/').map((level, at) => (
        <Fragment key={at}>
          {at > 0 && (
            <>
              /<wbr />
            </>
          )}
          {level}
        </Fragment>
      ))}
    </code>
  );
}
