import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeOfLabels, placeOfName } from '../../../node/core/cloud-regions.ts';

test('clusters that are named after a region are there, whatever way people write it', () => {
  for (const [name, lat, lon] of [
    ['aws-eu-west-1', 53.3, -6.3],
    ['gcp-us-east1', 33.2, -80],
    ['azure-westeurope', 52.4, 4.9],
    ['azure-ap-southeast1', 1.3, 103.8],
    ['eu-west-1', 53.3, -6.3],
    ['us-east1', 33.2, -80],
    ['westeurope', 52.4, 4.9],
    ['AWS_eu-west-1b', 53.3, -6.3],
    ['aws-eu-west-1-prod', 53.3, -6.3],
    ['gcp-europe-west10-a', 52.5, 13.4],
    ['alibaba-eu-west-1', 51.5, -0.1],
    ['oci-eu-frankfurt-1', 50.1, 8.7],
    ['hetzner-fsn1', 50.5, 12.4],
    ['do-nyc3', 40.7, -74],
  ] as const)
    assert.deepEqual(placeOfName(name), { lat, lon }, name);
});

test('other names are of no place', () => {
  for (const name of [
    '',
    'a',
    'office',
    'aws',
    'aws-',
    'eu',
    'us-east',
    'constructor',
    'aws-constructor',
    'fsn1-x',
  ])
    assert.equal(placeOfName(name), undefined, name);
});

test('labels say a place in degrees, or nothing', () => {
  assert.deepEqual(placeOfLabels({ lat: '52.5', lon: '-13.4' }), { lat: 52.5, lon: -13.4 });
  for (const [lat, lon] of [
    ['91', '0'],
    ['0', '181'],
    ['', '0'],
    ['1e1', '0'],
    ['NaN', '0'],
    ['12', undefined],
  ] as const)
    assert.equal(placeOfLabels({ lat, ...(lon !== undefined && { lon }) }), undefined);
});
