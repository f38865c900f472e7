// What the proxy says of what it does, in sentences, in English and in Russian: as in said-ru.js.

/** What a change does, and what it needs. */
const CHANGES = [
  ['port "{port}" goes', "порт {port} уходит"],
  ['port "{port}" comes', "порт {port} появляется"],
  ['port "{port}": {=change}: waits for a restart', "порт {port}: {=change}; после перезапуска"],
  ["[{table}] {=change}: waits for a restart", "[{table}] {=change}; после перезапуска"],
  ["[{table}] {=change}, from the next start on", "[{table}] {=change}; со следующего запуска"],
  ["[{table}] {=change}", "[{table}] {=change}"],
  ["{word} is not set, was {from}", "{word} не задано, было {from}"],
  ["{word} is {to}, was not set", "{word} – {to}, не было задано"],
  ["{word} is {to}, was {from}", "{word} – {to}, было {from}"],
  ["{n} more changes with these", "и ещё изменений: {n}"],
  ["a reload changed nothing: {=why}", "файл перечитан, но ничего не изменено: {=why}"],
  [
    "{file} held what was not in force, edited by hand or broken; it is written anew, and what it held is kept as {kept}",
    "в {file} было не то, что действует: его правили вручную или он испорчен; он записан заново, прежнее – в {kept}",
  ],
  ["{file} cannot be written: {error}; {=cure}", "в {file} не пишется: {error}; {=cure}"],
  ["check `live` in [paths], its folder's owner and its disk", "проверьте `live` в [paths], владельца его папки и диск"],
  [
    "`{key}` is set here, which goes before the administrator's file",
    "`{key}` задан здесь, и это важнее файла администратора",
  ],
  ["to have it from there: `{command}`", "чтобы действовало оттуда: `{command}`"],
  ["nothing was changed", "ничего не изменено"],
  ["correct what is named below, and try again", "исправьте названное ниже и попробуйте ещё раз"],
  ["try again", "попробуйте ещё раз"],
  ["too many changes and questions about settings wait already", "уже ждёт слишком много изменений и вопросов о настройках"],
  ["a change is being made, and takes its time", "другое изменение ещё идёт"],
  ["the change was not finished in time", "изменение не успело закончиться"],
  [
    "look at `manifoldctl show status` and the log before trying again",
    "прежде чем пробовать ещё раз, посмотрите `manifoldctl show status` и журнал",
  ],
  ["manifold is ending", "Manifold завершается"],
  ["start it again", "запустите его снова"],
  [
    "the settings were changed meanwhile: they are revision {n}, and this is for {m}",
    "тем временем настройки изменили: они уже в редакции {n}, а это – для {m}",
  ],
  ["look at what is in force now, and make the change again", "посмотрите, что действует сейчас, и измените ещё раз"],
  ["there is no place for it; take another out, and reload", "для него нет места; уберите другой порт и перечитайте настройки"],
  [
    "other ports' rings could keep {n} buffers of a port on af_xdp, and it has {m} for them",
    "кольца других портов могут держать {n} буферов порта на af_xdp, а у него для них {m}",
  ],
  ["restart with it", "перезапустите прокси с этими настройками"],
  [
    "{ports} ports with these rings need {n} buffers, and {m} were made at the start",
    "портам с такими кольцами ({ports}) нужно {n} буферов, а при запуске сделано {m}",
  ],
  ["set `max-ports = {n}` or more in [eal] and restart", "задайте `max-ports = {n}` или больше в [eal] и перезапустите прокси"],
  [
    "a port's `mtu` needs buffers of {n} bytes, and {m} were made at the start",
    "для `mtu` порта нужны буферы по {n} байт, а при запуске сделаны по {m}",
  ],
  [
    "DPDK was started without PCI devices, as there was none among the ports",
    "DPDK запущен без устройств PCI: среди портов их не было",
  ],
  [
    "put it into the administrator's file, reserve hugepages, and restart",
    "впишите его в файл администратора, выделите hugepages и перезапустите прокси",
  ],
  [
    "there are places for {n} ports, and a port that goes keeps its own until those that come have theirs: this change takes {m}",
    "мест для портов {n}, и уходящий порт держит своё, пока места не получат новые: этому изменению нужно {m}",
  ],
  ["take the ports out that go, and then add the others", "сначала уберите порты, которые уходят, потом добавьте остальные"],
  [
    "there are {n} ports, and this DPDK was built for {m}; leave some out, or build on one for 64 (`make fast`)",
    "портов {n}, а этот DPDK собран для {m}; уберите лишние или соберите на DPDK для 64 (`make fast`)",
  ],
  ["{name} is the interface of port \"{port}\" already", "{name} – уже интерфейс порта {port}"],
  ["give each port its own", "дайте каждому порту свой"],
  [
    '{name} is a macvlan, which sends from its own MAC only, and `mac` is "router"',
    "{name} – macvlan, он посылает только со своего MAC, а `mac` – router",
  ],
  ['leave it out, or set it to "port"', "уберите это или задайте port"],
  [
    "{name} has an MTU of {n}, the port's buffers are made for {m}",
    "MTU {name} – {n}, буферы порта сделаны для {m}",
  ],
];

/** Interfaces that cannot be ports as they are. */
const INTERFACES = [
  ["interface `{name}` is {kind}: {=why}; cure: {=cure}", "интерфейс {name}: {=why}; {=cure}"],
  ["interface `{name}` {=why}; cure: {=cure}", "интерфейс {name} {=why}; {=cure}"],
  ["interface `{name}` is {kind}: {=why}", "интерфейс {name}: {=why}"],
  ["interface `{name}` vanished", "интерфейс {name} исчез"],
  ["interface `{name}` {=why}", "интерфейс {name} {=why}"],
  ["cure: {=cure}", "что поможет: {=cure}"],
  ["there is no interface `{name}`; {=more}", "интерфейса {name} нет; {=more}"],
  ["there is no interface `{name}`", "интерфейса {name} нет"],
  ["no interface here could serve as it stands", "ни один здешний интерфейс в таком виде не подошёл бы"],
  ["these could serve: {names}", "подошли бы: {names}"],
  [
    "not permitted to {what}: run as root or with the capability {capability}",
    "не разрешено (`{what}`): нужен root или {capability}",
  ],
  ["belongs to `{master}` ({kind}), which takes and sends its frames", "входит в {master} ({kind}): кадры принимает и передаёт тот"],
  ["has {names} on top, which would be cut off", "держит на себе другие, которые были бы отрезаны: {names}"],
  ["carries a PPPoE session, which would be cut off", "несёт сеанс PPPoE, который был бы отрезан"],
  ["carries {n} PPPoE sessions, which would be cut off", "несёт сеансы PPPoE ({n}), которые были бы отрезаны"],
  ["has the box's own address {names}, which would be cut off", "держит собственные адреса машины, которые были бы отрезаны: {names}"],
  ["leads to the box's default route, which would be cut off", "ведёт к маршруту машины по умолчанию, который был бы отрезан"],
  ["end the session (poff), or use another interface", "завершите сеанс (poff) или возьмите другой интерфейс"],
  ["Manifold takes whole Ethernet interfaces, and drops tagged frames", "прокси берёт Ethernet-интерфейсы целиком, кадры с меткой отбрасываются"],
  [
    "the provider's multicast must come over Ethernet, not through a session",
    "мультикаст провайдера должен идти по Ethernet, а не через сеанс",
  ],
  ["it already floods or snoops multicast between its own ports", "он уже сам передаёт мультикаст между своими портами"],
  ["its members' frames would be taken below it, each on its own", "кадры его участников были бы взяты под ним, каждый сам по себе"],
  ["its frames go to the program that holds it open", "его кадры уходят программе, которая держит его открытым"],
  [
    "it has the MAC address of the interface below, which takes the IGMP frames",
    "у него MAC интерфейса, на котором он стоит, и IGMP достаётся тому",
  ],
  ["a tunnel is not an Ethernet link of its own", "туннель – не Ethernet-линк сам по себе"],
  ["a VPN carries IP packets without Ethernet headers", "VPN несёт пакеты IP без заголовков Ethernet"],
  ["the frames below it are encrypted", "кадры под ним зашифрованы"],
  [
    "802.11 sends multicast unacknowledged at its lowest rate, and forbids foreign MACs",
    "Wi-Fi передаёт мультикаст на низшей скорости и без подтверждений, а чужие MAC не пропускает",
  ],
  ["it is not an Ethernet link", "это не Ethernet"],
  ["no wire and no client is behind it", "за ним нет ни провода, ни клиентов"],
  ["its frames carry the switch's own tag below it", "в его кадрах метка коммутатора"],
  ["Manifold takes plain Ethernet, veth, TAP and macvlan interfaces only", "прокси берёт только Ethernet, veth, TAP и macvlan"],
  ["use an Ethernet, veth, TAP or macvlan interface", "возьмите интерфейс Ethernet, veth, TAP или macvlan"],
  [
    "use `{name}`, with this VLAN untagged on the switch port it is plugged into",
    "возьмите {name}: пусть коммутатор, к которому он подключён, передаёт эту VLAN без метки",
  ],
  ["use a macvlan: {command}", "возьмите macvlan: {command}"],
  ["take a member out of it and use that (ip link set dev MEMBER nomaster)", "выведите из него участника и возьмите его (ip link set dev ИМЯ nomaster)"],
  ["for a try without a wire use a pair: {command}", "для пробы без провода возьмите пару: {command}"],
  // Commands are the same in every language.
  ["ip {command}", "ip {command}"],
  ["sysctl {command}", "sysctl {command}"],
  ["ovs-vsctl {command}", "ovs-vsctl {command}"],
  [
    "or take the port out with `manifoldctl remove-port {port}`",
    "или уберите порт: `manifoldctl remove-port {port}`",
  ],
];

/** What happens. */
const EVENTS = [
  ["{group} joined by {host} (IGMP{version})", "{host}, IGMP{version}"],
  ["{group} joined, as the settings say", "задана настройками"],
  ["{group} left: {=why}", "{=why}"],
  ["{group} joined at the provider", "запрошена у провайдера"],
  ["{group} left at the provider", "отписка у провайдера"],
  ["no report in time", "никто не повторил запрос вовремя"],
  ["leave, and nobody else answered", "отписка, и больше никто не ответил"],
  ["leave, which is enough on this port", "отписка, которой на этом порту достаточно"],
  ["the access list forbids it now", "теперь её запрещает список доступа"],
  ["a local group now", "теперь это местная группа"],
  ["in the source-specific range now", "теперь она в диапазоне SSM"],
  ["link down for too long", "линка не было слишком долго"],
  ["port removed", "порт убран"],
  ["proxy switched off", "прокси выключен"],
  ["static no more, and no host asks for it", "больше не задана настройками, и никто её не запросил"],
  [
    "{group} refused to {host}: the port has all the groups it may",
    "{host}: на порту уже столько групп, сколько можно",
  ],
  ["{group} refused to {host}: the access list does not allow it", "{host}: не разрешает список доступа"],
  ["we are querier, from {address}", "опрашиваем мы, с адреса {address}"],
  [
    "the port has members, and {address} is querier there: they get their groups from us, too, as `forward-when-not-querier` says",
    "на порту есть участники, а опрашивает {address}: группы передаём и мы, как велит `forward-when-not-querier`",
  ],
  [
    "the port has members, and {address} is querier there: it has to serve them, as we do not",
    "на порту есть участники, а опрашивает {address}: он их и обслуживает, мы – нет",
  ],
  ["{address} is querier", "опрашивает {address}"],
  [
    "{address} asks in IGMP{version}, and the port is set to IGMP{ours}",
    "{address} опрашивает по IGMP{version}, а порту задан IGMP{ours}",
  ],
  ["the carrier {=how}", "несущая {=how}"],
  ["is there", "есть"],
  ["is gone", "пропала"],
  ["{n} joins and leaves came faster than they are told", "подписок и отписок не показано, они шли слишком часто: {n}"],
  ["frames are lost: {=kinds}; {=cure}", "{=kinds}; {=cure}"],
  ["{n} {word} ({=kind}), {=more}", "{n} – {=kind}, {=more}"],
  ["{n} {word} ({=kind})", "{n} – {=kind}"],
  [
    "dropped before a worker fetched them: its NIC's or socket's receive ring was full",
    "отброшено до обработки: кольцо приёма карты или сокета было полно",
  ],
  ["received damaged, or longer than the NIC takes", "пришло с ошибками или длиннее, чем берёт карта"],
  ["times that no buffer was free to receive into", "раз не было свободного буфера для приёма"],
  [
    "received in a buffer that others hold, without one to copy them to",
    "принято в чужой буфер, а скопировать было некуда",
  ],
  ["taken for sending, and not sent", "взято на отправку и не отправлено"],
  [
    "`manifoldctl show workers` tells whether a worker is too busy: give it a core of its own, or more workers; raise `rx-descriptors` for bursts",
    "успевает ли обработчик, скажет `manifoldctl show workers`: дайте ему своё ядро или добавьте обработчиков; от всплесков увеличьте `rx-descriptors`",
  ],
  [
    "look at the cable, the optics and the far end, and at the port's `mtu`",
    "проверьте кабель, оптику, другой конец и `mtu` порта",
  ],
  [
    "`manifoldctl show status` tells how many buffers are in use; lower `tx-descriptors`, which keep them, and report it if the settings are at their defaults",
    "сколько буферов занято, скажет `manifoldctl show status`; уменьшите `tx-descriptors`, которые их держат, а если настройки исходные – сообщите об этом",
  ],
  ["look at the port's link, and at the far end", "проверьте линк порта и другой конец"],
];

/** How the proxy is, and what keeps it from answering. */
const STANDING = [
  [
    'port "{port}" has {n} receive queues, and its driver {driver} offers no hash that UDP over IPv4 falls under: all streams may come in by one queue, and so by one worker (`manifoldctl show workers`); name one core in [worker] `cores`, or use another card',
    "у порта {port} очередей приёма {n}, а драйвер {driver} не умеет распределять по ним UDP поверх IPv4: все потоки могут прийти в одну и достаться одному обработчику (`manifoldctl show workers`); назовите в `cores` в [worker] одно ядро или возьмите другую карту",
  ],
  [
    'port "{port}" is on NUMA node {node}, and {=what}; every frame crosses between them; name cores of node {nodes} in [worker] `cores`, or put the card elsewhere',
    "порт {port} – на узле NUMA {node}, а {=what}; каждый кадр идёт между ними; назовите в `cores` в [worker] ядра узла {nodes} или переставьте карту",
  ],
  ["the buffers are on node {node}", "буферы – на узле {node}"],
  ["workers run on cores of another: {names}, and the buffers are on node {node}", "обработчики – на ядрах другого: {names}, и буферы – на узле {node}"],
  ["workers run on cores of another: {names}", "обработчики – на ядрах другого: {names}"],
  [
    "the group table is full: {n} members wait for room, {m} were refused so far; raise [table] max-groups",
    "таблица групп полна: ждут места {n}, отказано {m}; увеличьте `max-groups` в [table]",
  ],
  [
    "{n} MiB of hugepages are free for us on NUMA node {node}, where the buffers should be, and {m} MiB are needed: some are elsewhere, and every frame crosses between nodes; reserve more in /sys/devices/system/node/node{nodes}/hugepages",
    "на узле NUMA {node}, где место буферам, для нас свободно {n} МиБ hugepages, а нужно {m}: часть – на других, и каждый кадр идёт между узлами; выделите больше в /sys/devices/system/node/node{nodes}/hugepages",
  ],
  [
    "{=what}: runs without, slower, on {n} MiB of ordinary memory",
    "{=what}: работает без них, медленнее, на {n} МиБ обычной памяти",
  ],
  ["no hugepages are free", "свободных hugepages нет"],
  ["{n} MiB of hugepages are free, {m} MiB are needed", "hugepages свободно {n} МиБ, нужно {m}"],
  ["reserve them, as with `sysctl vm.nr_hugepages={n}`", "выделите их: `sysctl vm.nr_hugepages={n}`"],
  ["no socket at {path}", "нет сокета {path}"],
  [
    "is Manifold running? Start it with `systemctl start manifold`, or name its socket with --socket",
    "запущен ли Manifold? Запустите: `systemctl start manifold`",
  ],
  [
    "start it with `systemctl start manifold`, or name its socket in backend.toml",
    "запустите его: `systemctl start manifold` – или назовите его сокет в backend.toml",
  ],
  ["{path} is not a socket", "{path} – не сокет"],
  ["name Manifold's with --socket", "назовите в backend.toml сокет Manifold"],
  ["what came is no reply ({error})", "пришёл не ответ ({error})"],
  ["nobody listens at {path}, which a process that died has left", "{path} никто не слушает: сокет остался от умершего процесса"],
  ["start Manifold anew with `systemctl restart manifold`", "запустите Manifold заново: `systemctl restart manifold`"],
  ["this user may not connect to {path}", "пользователю службы нельзя подключаться к {path}"],
  [
    "run as root, or join the group that `group` in [socket] of Manifold's settings names",
    "добавьте его в группу, которую называет `group` в [socket] настроек Manifold",
  ],
  ["this user may not ask", "пользователю службы нельзя спрашивать"],
  ["no answer within {n} s", "за {n} с нет ответа"],
  ["the proxy hangs or is stopped: look at `systemctl status manifold`", "прокси завис или остановлен: посмотрите `systemctl status manifold`"],
  ["Manifold closed the connection before it answered", "Manifold закрыл соединение, не ответив"],
  ["it is stopping, or serves too many: try again", "он завершается или обслуживает слишком многих: попробуйте ещё раз"],
  ["are Manifold and this program of one version?", "одной ли версии Manifold и служба страницы?"],
  ["try again, and look at `systemctl status manifold`", "попробуйте ещё раз и посмотрите `systemctl status manifold`"],
  ["too many connections", "слишком много соединений"],
  ["close one and try again", "закройте одно и попробуйте ещё раз"],
  ["too many requests at a time", "слишком много запросов сразу"],
  ["try again in some seconds", "попробуйте через несколько секунд"],
  ["try again in {n} s", "попробуйте через {n} с"],
  ["it runs, but does not answer", "работает, но не отвечает"],
  ["it starts again and again: {=why}", "запускается снова и снова: {=why}"],
  ["it is starting", "запускается"],
  ["wait some seconds", "подождите несколько секунд"],
  ["it was stopped", "остановлен"],
  ["`{command}` says more", "подробности: `{command}`"],
  ["the kernel ended it: no memory was left", "его завершило ядро: кончилась память"],
  ["it ended: {why}", "завершился: {why}"],
  [
    "its settings do not pass: `manifold check -c /etc/manifold/manifold.toml` says where",
    "его настройки не проходят проверку: где – скажет `manifold check -c /etc/manifold/manifold.toml`",
  ],
  [
    "the machine refuses what it needs: a device, memory or a privilege",
    "машина не даёт нужного: устройства, памяти или привилегии",
  ],
  ["it ended with an error", "завершился с ошибкой"],
  ["`{command}`", "`{command}`"],
  ["there is no session", "вы не вошли"],
  ["{user} is a {role}, who looks only", "{user} может только смотреть"],
  ["log in as an admin", "войдите администратором"],
  ["`{group}` is no group", "`{group}` – не группа"],
  ["name an IPv4 multicast address, like 239.2.2.2", "назовите групповой адрес IPv4, как 239.2.2.2"],
];

/** Beginnings of lines: where it stands. */
const PLACES = [
  ["{file}:{n}:{m}: {=what}", "{file}:{n}:{m}: {=what}"],
  ['port "{port}": {=what}', "порт {port}: {=what}"],
  ["`{key}` in [[port]] \"{port}\": {=what}", "`{key}` порта {port}: {=what}"],
  ["`{key}` in [proxy]: {=what}", "`{key}` в [proxy]: {=what}"],
];

export default [...CHANGES, ...INTERFACES, ...EVENTS, ...STANDING, ...PLACES];
