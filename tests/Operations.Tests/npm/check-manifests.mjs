// node check-manifests.mjs FILE…: checks rendered manifests against the types that Kubernetes, Prometheus' operator and KEDA publish, and
// pods against the Pod Security profile "restricted". A line of JSON for each finding; nothing is fetched.
import { readFileSync } from 'node:fs';
import YAML from 'yaml';
import { createDefaultMonokleValidator } from '@monokle/validation';

const packages = ['kubernetes-models', '@kubernetes-models/prometheus-operator', '@kubernetes-models/keda'];
const restricted = [
  'volume-types', 'privilege-escalation', 'running-as-non-root', 'running-as-non-root-user', 'seccomp-strict', 'capabilities-strict',
];

const say = (file, object, rule, message) => console.log(JSON.stringify({ file, object, rule, message }));

async function typeOf(object) {
  for (const name of packages) {
    try {
      const found = await import(`${name}/${object.apiVersion}/${object.kind}`);
      return found[object.kind];
    } catch (error) {
      if (error.code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED' && error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    }
  }
  return null;
}

let checked = 0;
for (const file of process.argv.slice(2)) {
  const objects = YAML.parseAllDocuments(readFileSync(file, 'utf8')).map(document => document.toJS());
  for (const object of objects) {
    const type = await typeOf(object);
    if (type === null) continue;
    checked++;
    try {
      new type(object).validate();
    } catch (error) {
      say(file, `${object.kind}/${object.metadata.name}`, 'types', error.message);
    }
  }

  const validator = createDefaultMonokleValidator();
  // kubernetes-schema would fetch schemas.
  await validator.preload({
    plugins: {
      'pod-security-standards': true, 'resource-links': true, practices: true,
      'kubernetes-schema': false, 'yaml-syntax': false, 'open-policy-agent': false, metadata: false,
    },
    rules: Object.fromEntries(restricted.map(rule => [`pod-security-standards/${rule}`, 'err'])),
  });
  const resources = objects.map((content, index) => ({
    id: `${index}`, fileId: file, filePath: file, fileOffset: 0, content, text: YAML.stringify(content),
    apiVersion: content.apiVersion, kind: content.kind, name: content.metadata.name, namespace: content.metadata.namespace,
  }));
  const report = await validator.validate({ resources });
  for (const result of report.runs.flatMap(run => run.results)) {
    const place = result.locations.flatMap(location => location.logicalLocations ?? []).map(logical => logical.fullyQualifiedName);
    say(file, place[0] ?? '', result.ruleId, result.message.text);
  }
}
console.log(JSON.stringify({ checked }));
