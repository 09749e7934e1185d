/** The cluster as this node sees it: its members, who leads, and each shard in the colour of its owner. */
import { getJson } from './api.js';
import { byId, element } from './dom.js';

/** Colours for owners; a cluster of more members uses them again. */
const colours = 8;
/** Shards that are drawn one by one; a cluster with more is only counted. */
const drawnShardsMax = 1_024;

/** Reads and shows it. @returns what the head of the page says */
export async function readCluster() {
  const [cluster, { shards }] = await Promise.all([getJson('/v1/cluster'), getJson('/v1/cluster/shards')]);
  const view = summary(cluster, shards);
  showMembers(cluster, view);
  showHealth(cluster, view);
  showShards(cluster, shards, view);
  return { cluster, up: view.there.size };
}

function summary(cluster, shards) {
  const there = new Set(cluster.members.filter(isThere).map(({ node }) => node));
  const copiesOf = ({ replicas }) => replicas.filter((node) => there.has(node)).length;
  const wanted = Math.min(cluster.replicas ?? 1, cluster.members.length);
  return {
    there,
    wanted,
    total: shards.length,
    copiesOf,
    stopped: shards.filter(({ status }) => status === 'stopped').length,
    moving: shards.filter(({ status }) => status === 'starting').length,
    filling: shards.filter(({ learners }) => learners.length > 0).length,
    few: shards.filter((shard) => copiesOf(shard) < wanted).length,
  };
}

function isThere({ status, reachable }) {
  return (status === 'up' || status === 'leaving') && reachable !== false;
}

function colourOf(cluster, node) {
  return `owner-${
    Math.max(
      0,
      cluster.members.findIndex((member) => member.node === node),
    ) % colours
  }`;
}

function showMembers(cluster, { total }) {
  const rows = cluster.members.map((member) => {
    const status = member.status === 'up' && member.reachable === false ? 'unreachable' : member.status;
    return element(
      'tr',
      {},
      element(
        'th',
        { scope: 'row' },
        element('span', { class: `swatch ${colourOf(cluster, member.node)}`, 'aria-hidden': 'true' }),
        member.node,
        member.node === cluster.node && element('span', { class: 'tag' }, 'this page'),
        member.node === cluster.leader && element('span', { class: 'tag' }, 'leader'),
      ),
      element('td', {}, element('span', { class: `pill ${status}` }, status)),
      element('td', {}, `${member.shardsOwned} of ${total}`),
      element('td', {}, element('code', {}, member.address)),
      element('td', {}, httpLink(member.httpAddress)),
    );
  });
  const titles = ['Node', 'Status', 'Shards owned', 'Cluster address', 'HTTP'].map((title) =>
    element('th', { scope: 'col' }, title),
  );
  byId('members').replaceChildren(element('thead', {}, element('tr', {}, ...titles)), element('tbody', {}, ...rows));
}

function httpLink(address) {
  return /^https?:/.test(address)
    ? element('a', { href: address }, address)
    : element('code', {}, address === '' ? 'none' : address);
}

/** One pill per thing that is not as it should be, or one that says all is well. */
function showHealth(cluster, { stopped, moving, filling, few, wanted }) {
  const pills = [];
  const say = (kind, text) => pills.push(element('span', { class: `pill ${kind}` }, text));
  if (cluster.leader === null) say('down', 'no leader in reach');
  if (stopped > 0) say('down', `${count(stopped)} not served`);
  if (moving > 0) say('leaving', `${count(moving)} moving`);
  if (few > 0) say('leaving', `${count(few)} with fewer than ${wanted} copies`);
  if (filling > 0) say('leaving', `${count(filling)} being copied`);
  if (pills.length === 0)
    say('up', wanted === 1 ? 'every shard is served' : `every shard is served, in ${wanted} copies`);
  byId('health').replaceChildren(...pills);
}

function count(shards) {
  return `${shards} ${shards === 1 ? 'shard' : 'shards'}`;
}

function showShards(cluster, shards, { copiesOf, wanted }) {
  const place = byId('shards');
  place.hidden = shards.length > drawnShardsMax;
  if (place.hidden) return;
  while (place.children.length > shards.length) place.lastChild.remove();
  while (place.children.length < shards.length) place.append(element('li'));
  for (const [index, shard] of shards.entries()) {
    const cell = place.children[index];
    const copies = copiesOf(shard);
    const kinds = [
      colourOf(cluster, shard.owner),
      copies < wanted ? 'few' : '',
      shard.status === 'active' ? '' : shard.status,
    ];
    const name = kinds.filter((kind) => kind !== '').join(' ');
    if (cell.className !== name) cell.className = name;
    const title = `shard ${shard.shard}: ${shard.status}, owner ${shard.owner}, copies on ${shard.replicas.join(', ')}`;
    if (cell.title !== title) cell.title = title;
  }
}
