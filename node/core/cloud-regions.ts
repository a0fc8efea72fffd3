// Where the regions of clouds are, so that a map can be drawn of clusters that are named after them. To a tenth of a degree at best: of
// most regions the provider says a city, or a state, and no more. The positions were put down by hand and not checked against a table; where
// regions are, and which there are, is for their providers to say:
//   AWS      docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
//   GCP      cloud.google.com/compute/docs/regions-zones
//   Azure    learn.microsoft.com/azure/reliability/regions-list (and, for coordinates, `az account list-locations`)
//   Alibaba  www.alibabacloud.com/help/en/cloud-migration-guide-for-beginners/latest/regions-and-zones
//   Oracle   docs.oracle.com/iaas/Content/General/Concepts/regions.htm
//   IBM      cloud.ibm.com/docs/overview?topic=overview-locations
//   DigitalOcean  docs.digitalocean.com/platform/regional-availability    Hetzner  docs.hetzner.com/cloud/general/locations

/** Degrees. */
export interface Place {
  readonly lat: number;
  readonly lon: number;
}

type Regions = Readonly<Record<string, readonly [lat: number, lon: number]>>;

// Region, and the place that it is named after.
const AWS: Regions = {
  'us-east-1': [39, -77.5], // N. Virginia
  'us-east-2': [40, -83], // Ohio
  'us-west-1': [37.4, -121.9], // N. California
  'us-west-2': [45.8, -119.7], // Oregon
  'us-gov-east-1': [40, -83], // Ohio
  'us-gov-west-1': [45.8, -119.7], // Oregon
  'ca-central-1': [45.5, -73.6], // Montreal
  'ca-west-1': [51, -114.1], // Calgary
  'mx-central-1': [20.6, -100.4], // Queretaro
  'sa-east-1': [-23.5, -46.6], // Sao Paulo
  'eu-west-1': [53.3, -6.3], // Dublin
  'eu-west-2': [51.5, -0.1], // London
  'eu-west-3': [48.9, 2.4], // Paris
  'eu-central-1': [50.1, 8.7], // Frankfurt
  'eu-central-2': [47.4, 8.5], // Zurich
  'eu-north-1': [59.3, 18.1], // Stockholm
  'eu-south-1': [45.5, 9.2], // Milan
  'eu-south-2': [41.6, -0.9], // Aragon
  'af-south-1': [-33.9, 18.4], // Cape Town
  'me-south-1': [26.1, 50.6], // Bahrain
  'me-central-1': [24.5, 54.4], // Abu Dhabi
  'il-central-1': [32.1, 34.8], // Tel Aviv
  'ap-south-1': [19.1, 72.9], // Mumbai
  'ap-south-2': [17.4, 78.5], // Hyderabad
  'ap-southeast-1': [1.4, 103.8], // Singapore
  'ap-southeast-2': [-33.9, 151.2], // Sydney
  'ap-southeast-3': [-6.2, 106.8], // Jakarta
  'ap-southeast-4': [-37.8, 145], // Melbourne
  'ap-southeast-5': [3.1, 101.7], // Kuala Lumpur
  'ap-southeast-6': [-36.8, 174.8], // Auckland
  'ap-southeast-7': [13.8, 100.5], // Bangkok
  'ap-northeast-1': [35.7, 139.7], // Tokyo
  'ap-northeast-2': [37.6, 127], // Seoul
  'ap-northeast-3': [34.7, 135.5], // Osaka
  'ap-east-1': [22.3, 114.2], // Hong Kong
  'ap-east-2': [25, 121.5], // Taipei
  'cn-north-1': [39.9, 116.4], // Beijing
  'cn-northwest-1': [38.5, 106.2], // Ningxia
};

// Google Cloud.
const GCP: Regions = {
  'us-central1': [41.3, -95.9], // Council Bluffs
  'us-east1': [33.2, -80], // Moncks Corner
  'us-east4': [39, -77.5], // Ashburn
  'us-east5': [40, -83], // Columbus
  'us-south1': [32.8, -96.8], // Dallas
  'us-west1': [45.6, -121.2], // The Dalles
  'us-west2': [34.1, -118.2], // Los Angeles
  'us-west3': [40.8, -111.9], // Salt Lake City
  'us-west4': [36.2, -115.1], // Las Vegas
  'northamerica-northeast1': [45.5, -73.6], // Montreal
  'northamerica-northeast2': [43.7, -79.4], // Toronto
  'northamerica-south1': [20.6, -100.4], // Queretaro
  'southamerica-east1': [-23.5, -46.6], // Sao Paulo
  'southamerica-west1': [-33.4, -70.7], // Santiago
  'europe-west1': [50.5, 3.8], // St. Ghislain
  'europe-west2': [51.5, -0.1], // London
  'europe-west3': [50.1, 8.7], // Frankfurt
  'europe-west4': [53.4, 6.8], // Eemshaven
  'europe-west6': [47.4, 8.5], // Zurich
  'europe-west8': [45.5, 9.2], // Milan
  'europe-west9': [48.9, 2.4], // Paris
  'europe-west10': [52.5, 13.4], // Berlin
  'europe-west12': [45.1, 7.7], // Turin
  'europe-central2': [52.2, 21], // Warsaw
  'europe-north1': [60.6, 27.2], // Hamina
  'europe-north2': [59.3, 18.1], // Stockholm
  'europe-southwest1': [40.4, -3.7], // Madrid
  'africa-south1': [-26.2, 28], // Johannesburg
  'me-west1': [32.1, 34.8], // Tel Aviv
  'me-central1': [25.3, 51.5], // Doha
  'me-central2': [26.4, 50.1], // Dammam
  'asia-south1': [19.1, 72.9], // Mumbai
  'asia-south2': [28.6, 77.2], // Delhi
  'asia-southeast1': [1.3, 103.7], // Jurong West
  'asia-southeast2': [-6.2, 106.8], // Jakarta
  'asia-east1': [24.1, 120.5], // Changhua County
  'asia-east2': [22.3, 114.2], // Hong Kong
  'asia-northeast1': [35.7, 139.7], // Tokyo
  'asia-northeast2': [34.7, 135.5], // Osaka
  'asia-northeast3': [37.6, 127], // Seoul
  'australia-southeast1': [-33.9, 151.2], // Sydney
  'australia-southeast2': [-37.8, 145], // Melbourne
};

// Microsoft Azure.
const AZURE: Regions = {
  eastus: [37.4, -79.8], // Virginia
  eastus2: [36.7, -78.4], // Virginia
  centralus: [41.6, -93.6], // Iowa
  northcentralus: [41.9, -87.6], // Illinois
  southcentralus: [29.4, -98.5], // Texas
  westcentralus: [40.9, -110.2], // Wyoming
  westus: [37.8, -122.4], // California
  westus2: [47.2, -119.9], // Washington
  westus3: [33.4, -112.1], // Phoenix
  canadacentral: [43.7, -79.4], // Toronto
  canadaeast: [46.8, -71.2], // Quebec
  mexicocentral: [20.6, -100.4], // Queretaro
  brazilsouth: [-23.6, -46.6], // Sao Paulo
  brazilsoutheast: [-22.9, -43.2], // Rio de Janeiro
  chilecentral: [-33.4, -70.7], // Santiago
  northeurope: [53.3, -6.3], // Ireland
  westeurope: [52.4, 4.9], // Netherlands
  uksouth: [50.9, -0.8], // London
  ukwest: [53.4, -3.1], // Cardiff
  francecentral: [46.4, 2.4], // Paris
  francesouth: [43.8, 2.1], // Marseille
  germanywestcentral: [50.1, 8.7], // Frankfurt
  germanynorth: [53.1, 8.8], // Berlin
  switzerlandnorth: [47.5, 8.6], // Zurich
  switzerlandwest: [46.2, 6.1], // Geneva
  norwayeast: [59.9, 10.8], // Oslo
  norwaywest: [59, 5.7], // Stavanger
  swedencentral: [60.7, 17.1], // Gavle
  polandcentral: [52.2, 21], // Warsaw
  italynorth: [45.5, 9.2], // Milan
  spaincentral: [40.4, -3.7], // Madrid
  austriaeast: [48.2, 16.4], // Vienna
  belgiumcentral: [50.8, 4.4], // Brussels
  southafricanorth: [-25.7, 28.2], // Johannesburg
  southafricawest: [-34.1, 18.8], // Cape Town
  uaenorth: [25.3, 55.3], // Dubai
  uaecentral: [24.5, 54.4], // Abu Dhabi
  qatarcentral: [25.6, 51.4], // Doha
  israelcentral: [31.3, 33.5], // Israel
  centralindia: [18.6, 73.9], // Pune
  southindia: [13, 80.2], // Chennai
  westindia: [19.1, 72.9], // Mumbai
  jioindiawest: [22.5, 70.1], // Jamnagar
  jioindiacentral: [21.1, 79.1], // Nagpur
  southeastasia: [1.3, 103.8], // Singapore
  eastasia: [22.3, 114.2], // Hong Kong
  japaneast: [35.7, 139.8], // Tokyo
  japanwest: [34.7, 135.5], // Osaka
  koreacentral: [37.6, 127], // Seoul
  koreasouth: [35.2, 129], // Busan
  indonesiacentral: [-6.2, 106.8], // Jakarta
  malaysiawest: [3.1, 101.7], // Kuala Lumpur
  newzealandnorth: [-36.8, 174.8], // Auckland
  australiaeast: [-33.9, 151.2], // New South Wales
  australiasoutheast: [-37.8, 145], // Victoria
  australiacentral: [-35.3, 149.1], // Canberra
  chinanorth: [39.9, 116.4], // Beijing
  chinaeast: [31.2, 121.5], // Shanghai
};

// Alibaba Cloud.
const ALIBABA: Regions = {
  'cn-hangzhou': [30.3, 120.2], // Hangzhou
  'cn-shanghai': [31.2, 121.5], // Shanghai
  'cn-qingdao': [36.1, 120.4], // Qingdao
  'cn-beijing': [39.9, 116.4], // Beijing
  'cn-zhangjiakou': [40.8, 114.9], // Zhangjiakou
  'cn-huhehaote': [40.8, 111.7], // Hohhot
  'cn-wulanchabu': [41, 113.1], // Ulanqab
  'cn-shenzhen': [22.5, 114.1], // Shenzhen
  'cn-heyuan': [23.7, 114.7], // Heyuan
  'cn-guangzhou': [23.1, 113.3], // Guangzhou
  'cn-chengdu': [30.6, 104.1], // Chengdu
  'cn-hongkong': [22.3, 114.2], // Hong Kong
  'cn-fuzhou': [26.1, 119.3], // Fuzhou
  'me-east-1': [25.3, 55.3], // Dubai
  'me-central-1': [24.7, 46.7], // Riyadh
  'us-east-1': [39, -77.5], // Virginia
  'us-west-1': [37.4, -121.9], // Silicon Valley
  'eu-west-1': [51.5, -0.1], // London
  'eu-central-1': [50.1, 8.7], // Frankfurt
  'ap-southeast-1': [1.4, 103.8], // Singapore
  'ap-southeast-3': [3.1, 101.7], // Kuala Lumpur
  'ap-southeast-5': [-6.2, 106.8], // Jakarta
  'ap-southeast-6': [14.6, 121], // Manila
  'ap-southeast-7': [13.8, 100.5], // Bangkok
  'ap-northeast-1': [35.7, 139.7], // Tokyo
  'ap-northeast-2': [37.6, 127], // Seoul
};

// Oracle Cloud.
const ORACLE: Regions = {
  'us-ashburn-1': [39, -77.5], // Ashburn
  'us-phoenix-1': [33.4, -112.1], // Phoenix
  'us-sanjose-1': [37.3, -121.9], // San Jose
  'us-chicago-1': [41.9, -87.6], // Chicago
  'ca-montreal-1': [45.5, -73.6], // Montreal
  'ca-toronto-1': [43.7, -79.4], // Toronto
  'mx-queretaro-1': [20.6, -100.4], // Queretaro
  'mx-monterrey-1': [25.7, -100.3], // Monterrey
  'sa-saopaulo-1': [-23.5, -46.6], // Sao Paulo
  'sa-vinhedo-1': [-23, -47], // Vinhedo
  'sa-santiago-1': [-33.4, -70.7], // Santiago
  'sa-valparaiso-1': [-33, -71.6], // Valparaiso
  'sa-bogota-1': [4.7, -74.1], // Bogota
  'uk-london-1': [51.5, -0.1], // London
  'uk-cardiff-1': [51.5, -3.2], // Newport
  'eu-frankfurt-1': [50.1, 8.7], // Frankfurt
  'eu-amsterdam-1': [52.4, 4.9], // Amsterdam
  'eu-zurich-1': [47.4, 8.5], // Zurich
  'eu-milan-1': [45.5, 9.2], // Milan
  'eu-madrid-1': [40.4, -3.7], // Madrid
  'eu-marseille-1': [43.3, 5.4], // Marseille
  'eu-paris-1': [48.9, 2.4], // Paris
  'eu-stockholm-1': [59.3, 18.1], // Stockholm
  'il-jerusalem-1': [31.8, 35.2], // Jerusalem
  'me-jeddah-1': [21.5, 39.2], // Jeddah
  'me-riyadh-1': [24.7, 46.7], // Riyadh
  'me-dubai-1': [25.3, 55.3], // Dubai
  'me-abudhabi-1': [24.5, 54.4], // Abu Dhabi
  'af-johannesburg-1': [-26.2, 28], // Johannesburg
  'ap-mumbai-1': [19.1, 72.9], // Mumbai
  'ap-hyderabad-1': [17.4, 78.5], // Hyderabad
  'ap-singapore-1': [1.4, 103.8], // Singapore
  'ap-tokyo-1': [35.7, 139.7], // Tokyo
  'ap-osaka-1': [34.7, 135.5], // Osaka
  'ap-seoul-1': [37.6, 127], // Seoul
  'ap-chuncheon-1': [37.9, 127.7], // Chuncheon
  'ap-sydney-1': [-33.9, 151.2], // Sydney
  'ap-melbourne-1': [-37.8, 145], // Melbourne
};

// IBM Cloud.
const IBM: Regions = {
  'us-south': [32.8, -96.8], // Dallas
  'us-east': [38.9, -77], // Washington
  'ca-tor': [43.7, -79.4], // Toronto
  'ca-mon': [45.5, -73.6], // Montreal
  'br-sao': [-23.5, -46.6], // Sao Paulo
  'eu-gb': [51.5, -0.1], // London
  'eu-de': [50.1, 8.7], // Frankfurt
  'eu-es': [40.4, -3.7], // Madrid
  'jp-tok': [35.7, 139.7], // Tokyo
  'jp-osa': [34.7, 135.5], // Osaka
  'au-syd': [-33.9, 151.2], // Sydney
  'in-che': [13, 80.2], // Chennai
};

// DigitalOcean: without the number of the data centre.
const DIGITALOCEAN: Regions = {
  nyc: [40.7, -74], // New York
  sfo: [37.8, -122.4], // San Francisco
  tor: [43.7, -79.4], // Toronto
  ams: [52.4, 4.9], // Amsterdam
  fra: [50.1, 8.7], // Frankfurt
  lon: [51.5, -0.1], // London
  blr: [13, 77.6], // Bangalore
  sgp: [1.4, 103.8], // Singapore
  syd: [-33.9, 151.2], // Sydney
  atl: [33.7, -84.4], // Atlanta
};

// Hetzner.
const HETZNER: Regions = {
  fsn1: [50.5, 12.4], // Falkenstein
  nbg1: [49.5, 11.1], // Nuremberg
  hel1: [60.2, 24.9], // Helsinki
  ash: [39, -77.5], // Ashburn
  hil: [45.5, -123], // Hillsboro
  sin: [1.4, 103.8], // Singapore
};

/** What a name may begin with, and whose regions may follow. */
const PROVIDERS: Readonly<Record<string, Regions>> = {
  aws: AWS,
  amazon: AWS,
  gcp: GCP,
  google: GCP,
  gce: GCP,
  azure: AZURE,
  az: AZURE,
  alibaba: ALIBABA,
  aliyun: ALIBABA,
  ali: ALIBABA,
  oracle: ORACLE,
  oci: ORACLE,
  ibm: IBM,
  digitalocean: DIGITALOCEAN,
  do: DIGITALOCEAN,
  hetzner: HETZNER,
};

/** In this order, where a name says no provider. Those with short names are left out: `ash` may be anything. */
const UNNAMED: readonly Regions[] = [AWS, GCP, AZURE, ALIBABA, ORACLE];
/** In this order, where a provider is named that has no such region: people mix their words. */
const ALL: readonly Regions[] = [...UNNAMED, IBM];

/** Azure has its own words for these, which people write in the others' way. */
const AZURE_LIKE: Regions = { 'ap-southeast1': [1.3, 103.8], 'ap-southeast-1': [1.3, 103.8] };

/**
 * `aws-eu-west-1`, `gcp-us-east1`, `azure-westeurope`, `eu-west-1`, also with more behind it (`aws-eu-west-1-prod`, `eu-west-1b`). Undefined: the
 * name is of no known region.
 */
export function placeOfName(cluster: string): Place | undefined {
  const name = cluster.toLowerCase().replaceAll(/[_. ]/g, '-');
  const dash = name.indexOf('-');
  const provider = dash > 0 ? PROVIDERS[name.slice(0, dash)] : undefined;
  if (!provider) return find(name, UNNAMED);
  const region = name.slice(dash + 1);
  const own = provider === AZURE ? [AZURE, AZURE_LIKE] : [provider];
  return find(region, own) ?? find(region, ALL);
}

function find(text: string, tables: readonly Regions[]): Place | undefined {
  // the whole of it, then less and less: what is behind a region's name is a zone, a number, or people's own
  for (let end = text.length; end > 1; end = endBefore(text, end)) {
    const region = text.slice(0, end);
    for (const table of tables) {
      const found = Object.hasOwn(table, region) ? table[region] : undefined;
      if (found) return { lat: found[0], lon: found[1] };
    }
  }
  return undefined;
}

/** Before the last `-`, letter of a zone, or digits. */
function endBefore(text: string, end: number): number {
  const part = text.slice(0, end);
  const shorter = /\d[a-f]$/.test(part) ? part.slice(0, -1) : part.replace(/(?:-[^-]*|(?<=[a-z])\d+)$/, '');
  return shorter.length < end ? shorter.length : 0;
}

/** The labels `lat` and `lon`, in degrees; undefined: they are not both there, or no place. */
export function placeOfLabels(labels: Readonly<Record<string, string>>): Place | undefined {
  const [lat, lon] = [degrees(labels['lat'], 90), degrees(labels['lon'], 180)];
  return lat === undefined || lon === undefined ? undefined : { lat, lon };
}

function degrees(text: string | undefined, max: number): number | undefined {
  if (text === undefined || !/^[+-]?\d{1,3}(\.\d{1,12})?$/.test(text)) return undefined;
  const value = Number(text);
  return Math.abs(value) <= max ? value : undefined;
}
