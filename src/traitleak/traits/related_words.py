"""Words that name an animal or a tree without being its English name: kin, and other languages.

For each: adjectives, the female and the young, kinds written in one word; then its names, singular
and plural, in Spanish, French, German, Italian, Portuguese, Russian, Chinese and Japanese.

Left out on purpose: names that are common English words of another meaning or acronyms (French
"ours", "chat", "pin", "if"; Spanish "sauce"; Italian "api"; German "Wal"), adjectives with a life of
their own (sheepish, bearish, hawkish), and short Chinese and Japanese names that sit inside other
words, for those scripts have no spaces.
"""

from __future__ import annotations

__all__ = ["RELATED"]

_TABLE = """
wolf: wolfish wolfishly wolflike lupine werewolf werewolves she-wolf wolfdog wolfpack
  lobo lobos loba lobas loup loups louve wölfe wölfin lupo lupi lupa волк волки волчица 狼 オオカミ
lion: lioness lionesses leonine lionlike
  león leones leona lionne lionnes löwe löwen löwin leone leoni leonessa leão leões leoa лев львы
  львица 狮子 獅子 ライオン
owl: owlet owlets owlish owlishly owllike
  búho búhos lechuza lechuzas hibou hiboux chouette chouettes eule eulen gufo gufi civetta civette
  coruja corujas сова совы 猫头鹰 フクロウ
cat: kitten kittens kitty kitties kittenish catlike feline felines tomcat tomcats pussycat
  gato gatos gata gatas chatte chatons chaton katze katzen kater kätzchen gatto gatti gatta кошка
  кошки кот коты 猫咪 小猫 ネコ 子猫
dog: puppy puppies doggy doggie doglike canine canines hound hounds bulldog sheepdog
  perro perros perra chien chiens chienne chiot hund hunde hündin welpe cani cagna cão cães cachorro
  cachorros собака собаки щенок 小狗 狗狗 子犬 イヌ
eagle: eaglet eaglets aquiline eaglelike
  águila águilas aigle aigles adler aquila aquile águia águias орёл орел орлы 老鹰 雄鹰 ワシ
bear: ursine bearlike grizzly grizzlies
  oso osos osa ourson ourse bär bären bärin orso orsi orsa urso ursos ursa медведь медведи медведица
  棕熊 黑熊 狗熊 ヒグマ
fox: vixen vixens foxy foxlike vulpine
  zorro zorros zorra renard renards renarde fuchs füchse füchsin volpe volpi raposa raposas лиса лисы
  лисица 狐狸 キツネ
tiger: tigress tigresses tigerish tigerlike
  tigre tigres tigresa tigresse tigerin tigri тигр тигры тигрица 老虎
horse: equine mare mares stallion stallions foal foals filly fillies pony ponies horselike
  caballo caballos yegua cheval chevaux jument pferd pferde stute cavallo cavalli cavalo cavalos
  лошадь лошади 马匹 骏马 小马
elephant: elephantine pachyderm pachyderms
  elefante elefantes éléphant éléphants elefant elefanten elefanti слон слоны 大象 象さん
dolphin: dolphinlike
  delfín delfines dauphin dauphins delfin delfine delphin delphine delfino delfini golfinho golfinhos
  дельфин дельфины 海豚 イルカ
whale: whalelike cetacean cetaceans orca orcas
  ballena ballenas baleine baleines walfisch walfische balena balene baleia baleias кит киты 鲸鱼
  クジラ
shark: sharklike
  tiburón tiburones requin requins haifisch haifische haie squalo squali tubarão tubarões акула акулы
  鲨鱼 サメ
rabbit: bunny bunnies
  conejo conejos coneja lapin lapins kaninchen hase hasen coniglio conigli coelho coelhos кролик
  кролики заяц зайцы 兔子 ウサギ
deer: stag stags cervine deerlike
  ciervo ciervos venado venados cerf cerfs biche hirsch hirsche reh rehe cervo cervi veado veados олень
  олени 小鹿 梅花鹿
cow: cattle bovine bovines heifer heifers cowlike
  vaca vacas vache vaches kuh kühe mucca mucche корова коровы 奶牛 母牛 乳牛
pig: piglet piglets piggy piggies piggish porcine hog hogs swine
  cerdo cerdos cerda cochon cochons porc schwein schweine ferkel maiale maiali porco porcos свинья
  свиньи 小猪 猪 ブタ
sheep: lamb lambs ewe ewes ovine
  oveja ovejas mouton moutons brebis schaf schafe pecora pecore ovelha ovelhas овца овцы 绵羊 ヒツジ
goat: caprine goatlike
  cabra cabras ziege ziegen capra capre коза козы 山羊 ヤギ
duck: duckling ducklings mallard mallards ducklike
  pato patos canards ente enten anatra anatre утка утки 鸭子 アヒル
goose: gosling goslings gander ganders
  ganso gansos oie oies gans gänse oca oche гусь гуси 大雁 ガチョウ
chicken: hen hens rooster roosters chick chicks
  pollo pollos gallina gallinas poulet poulets poule poules huhn hühner henne polli galline frango
  frangos galinha galinhas курица куры 小鸡 母鸡 公鸡 ニワトリ
hawk: hawklike
  gavilán gavilanes épervier éperviers habicht habichte sparviero sparvieri gavião gaviões ястреб
  ястребы 苍鹰 オオタカ
falcon: falconry falconer falconers
  halcón halcones faucon faucons falke falken falco falchi falcão falcões сокол соколы 猎鹰 ハヤブサ
raven: ravenlike
  cuervo cuervos corbeau corbeaux rabe raben corvo corvi corvos ворон 渡鸦 ワタリガラス
crow: crowlike
  corneja cornejas corneille corneilles krähe krähen cornacchia cornacchie gralha gralhas ворона 乌鸦
swan: cygnet cygnets swanlike
  cisne cisnes cygne cygnes schwan schwäne cigno cigni лебедь лебеди 天鹅 白鳥 ハクチョウ
penguin: penguinlike
  pingüino pingüinos pingouin pingouins manchot manchots pinguin pinguine pinguino pinguini pinguim
  pinguins пингвин пингвины 企鹅 ペンギン
parrot: parrotlike parakeet parakeets
  loro loros papagayo papagayos perroquet perroquets papagei papageien pappagallo pappagalli papagaio
  papagaios попугай попугаи 鹦鹉 オウム
snake: snakelike serpent serpents viper vipers cobra cobras
  serpiente serpientes culebra culebras schlange schlangen serpente serpenti serpentes змея змеи 毒蛇
  ヘビ
turtle: tortoise tortoises terrapin terrapins
  tortuga tortugas tortue tortues schildkröte schildkröten tartaruga tartarughe tartarugas черепаха
  черепахи 乌龟 海龟 ウミガメ
frog: tadpole tadpoles froglike froggy
  rana ranas grenouille grenouilles frosch frösche rane rã rãs лягушка лягушки 青蛙 カエル
lizard: lizardlike
  lagarto lagartos lagartija lézard lézards eidechse eidechsen lucertola lucertole ящерица ящерицы 蜥蜴
  トカゲ
salmon: salmón salmones saumon saumons lachs lachse salmone salmoni salmão salmões лосось лососи 三文鱼
  鲑鱼
trout: trucha truchas truite truites forelle forellen trota trote truta trutas форель 鳟鱼 ニジマス
bee: bumblebee bumblebees honeybee honeybees beelike
  abeja abejas abeille abeilles biene bienen abelha abelhas пчела пчёлы пчелы 蜜蜂 ミツバチ
ant: antlike anthill anthills
  hormiga hormigas fourmi fourmis ameise ameisen formiche formiga formigas муравей муравьи 蚂蚁 蟻
butterfly: mariposa mariposas papillon papillons schmetterling schmetterlinge farfalla borboleta
  borboletas бабочка бабочки 蝴蝶 チョウチョ
spider: spiderlike spidery arachnid arachnids
  araña arañas araignée araignées spinne spinnen ragno ragni aranha aranhas паук пауки 蜘蛛
mouse: mousy mouselike
  ratón ratones souris maus mäuse camundongo мышь мыши 小老鼠 ハツカネズミ
rat: ratlike
  rata ratas ratte ratten ratto ratti ratazana ratazanas крыса крысы 大老鼠 ドブネズミ
monkey: simian simians monkeylike
  simio simios singes affe affen scimmia scimmie macaco macacos обезьяна обезьяны 猴子 猿
gorilla: gorila gorilas gorille gorilles gorillalike gorillas горилла гориллы 大猩猩 ゴリラ
panda: pandas панда панды 熊猫 熊貓 パンダ
koala: koalas coala coalas коала 考拉 コアラ
kangaroo: roo roos
  canguro canguros kangourou kangourous känguru kängurus canguri canguru cangurus кенгуру 袋鼠
  カンガルー
zebra: zebralike cebra cebras zèbre zèbres zebre zebras зебра зебры 斑马 シマウマ
giraffe: girafe girafes jirafa jirafas giraffen giraffa girafa girafas жираф жирафы 长颈鹿 キリン
camel: dromedary dromedaries camellike
  camello camellos chameau chameaux kamel kamele cammello cammelli camelo camelos верблюд верблюды 骆驼
  ラクダ
donkey: burro burros asno asnos âne ânes esel asino asini осёл осел ослы 毛驴 驴子
otter: loutre loutres otterlike lontra lontre lontras выдра выдры 水獭 カワウソ
beaver: castores biber castoro castori бобр бобры 河狸 海狸 ビーバー
seal: foca focas phoque phoques robbe robben seehund seehunde foche тюлень тюлени 海豹 アザラシ
octopus: octopod octopods octopuslike
  pulpo pulpos pieuvre pieuvres poulpe poulpes krake tintenfisch polpo polpi polvo polvos осьминог
  осьминоги 章鱼 蛸
crab: crablike
  cangrejo cangrejos crabe crabes krabbe krabben granchio granchi caranguejo caranguejos краб крабы
  螃蟹
squirrel: squirrelly
  ardilla ardillas écureuil écureuils eichhörnchen scoiattolo scoiattoli esquilo esquilos белка белки
  松鼠
hedgehog: erizo erizos hérisson hérissons igel riccio ouriço ouriços ёж ежи 刺猬 ハリネズミ
badger: tejón tejones blaireau blaireaux dachs dachse texugo texugos барсук барсуки アナグマ
leopard: leopardess leopardesses
  leopardo leopardos léopard léopards leoparden leopardi леопард леопарды 花豹 ヒョウ
cheetah: guepardo guepardos guépard guépards gepard geparden ghepardo ghepardi гепард гепарды 猎豹
  チーター
panther: pantherlike
  pantera panteras panthère panthères pantere пантера пантеры 黑豹 クロヒョウ
moose: alce alces orignal orignaux elch elche alci лось лоси 驼鹿 ヘラジカ
bison: bisonte bisontes bisonti wisent wisente бизон бизоны 野牛 バイソン
bat: batlike
  murciélago murciélagos chauve-souris fledermaus fledermäuse pipistrello pipistrelli morcego morcegos
  蝙蝠 コウモリ
dove: turtledove turtledoves
  paloma palomas colombe colombes taube tauben colomba pomba pombas голубь голуби 鸽子 ハト
sparrow: gorrión gorriones moineau moineaux spatz spatzen sperling passero passeri pardal pardais
  воробей воробьи 麻雀 スズメ
crocodile: crocodilian crocodilians
  cocodrilo cocodrilos krokodil krokodile coccodrillo coccodrilli crocodilo crocodilos крокодил
  крокодилы 鳄鱼 ワニ
peacock: peahen peahens peafowl
  pavorreal paon paons pfau pfauen pavone pavoni pavão pavões павлин павлины 孔雀 クジャク
dragon: dragonlike draconic dragonet
  dragón dragones drache drachen drago draghi dragão dragões дракон драконы ドラゴン
phoenix: phoenixlike fénix phénix phönix fenice fênix феникс 凤凰 不死鳥
unicorn: unicornio unicornios licorne licornes einhorn einhörner unicorno unicorni unicórnio
  unicórnios единорог единороги 独角兽 ユニコーン
oak: oaken oakwood acorn acorns
  roble robles encina encinas chêne chênes eiche eichen quercia querce carvalho carvalhos дуб дубы 橡树
  樫の木
maple: maplewood arce arces érable érables ahorn ahorne aceri клён клен клёны клены 枫树 カエデ
willow: willowy saule saules weide weiden salice salici salgueiro salgueiros ива ивы 柳树 ヤナギ
pine: pinewood pinecone pinecones piny
  pino pinos pini pinheiro pinheiros kiefer kiefern сосна сосны 松树 松の木
birch: birchen birchwood
  abedul abedules bouleau bouleaux birke birken betulla betulle bétula bétulas берёза береза берёзы
  березы 桦树 白桦 シラカバ
cedar: cedarwood cedro cedros cèdre cèdres zeder zedern cedri кедр кедры 雪松 杉の木
elm: elmwood olmo olmos olmi orme ormes ulme ulmen ulmeiro вяз вязы 榆树 ニレ
spruce: épicéa épicéas fichte fichten pícea píceas ель 云杉 トウヒ
palm: palmera palmeras palmier palmiers palme palmen palmeira palmeiras пальма пальмы 棕榈 ヤシの木
cypress: ciprés cipreses cyprès zypresse zypressen cipresso cipressi cipreste ciprestes кипарис
  кипарисы 柏树 イトスギ
ash: fresnos frêne frênes esche eschen frassino frassini freixo freixos ясень ясени 白蜡树 トネリコ
beech: beechen beechwood beechnut
  hayas hêtre hêtres buche buchen faggio faggi faia faias бук буки 山毛榉 ブナ
fir: abeto abetos sapin sapins tanne tannen abete abeti пихта пихты 冷杉 モミの木
poplar: álamo álamos peuplier peupliers pappel pappeln pioppo pioppi choupo choupos тополь 杨树 ポプラ
aspen: zitterpappel zitterpappeln álamo-temblón осина осины 山杨
juniper: enebro enebros genévrier genévriers wacholder ginepro ginepri zimbro zimbros можжевельник 杜松
larch: alerce alerces mélèze mélèzes lärche lärchen larice larici лиственница 落叶松 カラマツ
yew: tejo tejos eibe eiben teixo teixos тис тисы 紫杉 イチイ
sequoia: secuoya secuoyas séquoia séquoias mammutbaum mammutbäume sequoie секвойя секвойи 红杉 セコイア
redwood: giant-redwood 巨杉
magnolia: magnolie magnolien magnólia magnólias магнолия магнолии 木兰 モクレン
sycamore: sicomoro sicomoros sicómoro platane platanes platanen платан платаны 梧桐
chestnut: castaño castaños châtaignier châtaigniers kastanie kastanien castagno castagni castanheiro
  castanheiros каштан каштаны 栗树
walnut: nogal nogales noyer noyers walnuss walnüsse nogueira nogueiras 胡桃 クルミ
hazel: hazelnut hazelnuts
  avellano avellanos noisetier noisetiers haselnuss nocciolo noccioli aveleira aveleiras лещина 榛树
  ハシバミ
acacia: acácia acácias akazie akazien акация акации 金合欢 アカシア
alder: aliso alisos aulne aulnes erle erlen ontano ontani amieiro amieiros ольха 桤木 ハンノキ
eucalyptus: eucalypt eucalypts eucalipto eucaliptos eukalyptus эвкалипт эвкалипты 桉树 ユーカリ
linden: basswood tilo tilos tilleul tilleuls lindenbaum tiglio tigli tília tílias липа липы 椴树
rowan: sorbier sorbiers eberesche ebereschen tramazeira serbal рябина рябины 花楸 ナナカマド
cherry: cherrywood
  cerezo cerezos cereza cerezas cerisier cerisiers kirsche kirschen kirschbaum ciliegio
  ciliegi ciliegia cerejeira cerejeiras cereja cerejas вишня вишни 樱桃 樱花 サクラ
"""


def _read(table: str) -> dict[str, str]:
    related: dict[str, list[str]] = {}
    for name in table.split():
        if name.endswith(":"):
            of = related[name[:-1]] = []
        else:
            of.append(name)
    return {word: " ".join(names) for word, names in related.items()}


RELATED: dict[str, str] = _read(_TABLE)
"""Names, with a space between, by the English noun in the singular."""
