// Rights as words, `verb group/resource`, from rules and from the audit log, so that both can be compared.
// Never judges: which of them may differ is said in rules-unused.ts.
import type { RbacRule } from '../../../src/operator/core/rbac.ts';
import type { AuditEntry } from '../tools/audit.ts';

export function granted(rules: readonly RbacRule[]): string[] {
  const all = rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap(group =>
      resources.flatMap(resource => verbs.map(verb => `${verb} ${group}/${resource}`)),
    ),
  );
  return [...new Set(all)].toSorted();
}

/** An apply that made an object asked for `create` too, though the log calls it a patch. */
export function used(entries: readonly AuditEntry[]): string[] {
  const all = entries.flatMap(({ verb, objectRef, responseStatus }) => {
    // Discovery names no resource; everybody may do it.
    if (objectRef?.resource === undefined) return [];
    const { apiGroup = '', resource, subresource } = objectRef;
    const what = `${apiGroup}/${resource}${subresource === undefined ? '' : `/${subresource}`}`;
    return verb === 'patch' && responseStatus?.code === 201
      ? [`create ${what}`, `patch ${what}`]
      : [`${verb} ${what}`];
  });
  return [...new Set(all)].toSorted();
}
