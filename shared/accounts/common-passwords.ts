/**
 * Passwords that are tried first when somebody guesses, at least as long as we demand.
 *
 * Written for this project, not copied from a leak: well-known ones by hand; runs along the alphabet, the digits
 * and the rows of a keyboard, and one character over and over; common words with what people put behind them when
 * digits are asked for. In lower case: the letter case of a guess costs nothing.
 */
const shortest = 8

const wellKnown = `
  !qaz2wsx 1234qwer 123qwe123 123qweasd 12qwaszx 1a2b3c4d 1passwor 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1qaz1qaz
  1qaz2wsx 1qaz2wsx3edc 1qazxsw2 147258369 159357456 159753456 159951159 123123123 123321123 123454321 112233445566
  11223344 12121212 12131415 12341234 123412345 12344321 123456qwerty 123456ab 12345abc 12345qwert 123456789a
  123456789abc 123456789q 123abc123 1324354657 13131313 14141414 15151515 19191919 20202020 20212021 20222022
  20232023 20242024 20252025 20262026 21212121 22446688 23232323 25252525 31415926 3141592653 36363636 42424242
  45454545 50505050 56785678 69696969 741852963 78945612 7894561230 789456123 789789789 87654321 88888889 963852741
  98769876 987654321 9876543210 99887766 a1a2a3a4 a1b2c3d4 a1b2c3d4e5 a1s2d3f4 a1234567 a12345678 a123456789 aa112233
  aa123456 aabbccdd aaa11111 ab123456 abc12345 abc123456 abcabcabc abcd1234 abcd12345 abcde12345 abcdefg1 abcd4321
  access14 adminadmin admin1admin administrator administrador airborne aleksandr alejandra alejandro alexande
  alexander alexandra alexandre amsterdam andromeda anonymous anything apollo13 aquarius arsenal1 asasasas asd123asd
  asdasd123 asdasdasd asdf1234 asdf4321 asdfasdf asdfasdfasdf asdfgh123 asdqwe123 asdzxc123 asshole1 assassin atlantis
  australia azertyuiop azerty123 babybaby babygirl babygurl badminton bandicoot barcelona baseball baseball1
  basketball batman123 beautiful benjamin bestfriend billabong birthday blackberry blackcat blackjack bluebird
  bluemoon blueberry bollocks bonjour1 braveheart brooklyn brittany brownie1 bubblegum bubbles1 bullshit butterfly
  butthead california cambridge cameron1 caroline carolina catherine celebrity challenge champion champions changeme
  changeme1 changeme123 changethis charlie1 charlotte cheesecake chelsea1 chevrolet chicken1 children chocolate
  chouchou christian christina christine christmas christopher cinderella classic1 cleopatra clifford cocacola
  coffee123 colombia colorado columbia computer computer1 confused consumer cookie12 cookies1 corvette cowboys1
  crazyfrog creative cricket1 cristina crystal1 cucumber darkness darkstar dauphine deadpool december default1
  defaultpassword deftones demo1234 destiny1 diamonds digital1 dinosaur discovery doggydog dolphin1 dolphins domenico
  dominique donald12 dontknow download drag0n12 dragonball dragonfly drowssap dropdead eagle123 einstein elephant
  elizabeth eminem12 emmanuel emporium enterprise estrella evolution excalibur explorer facebook facebook1 falcon12
  fantasia fantastic fearless february ferrari1 fernanda fernando fireball firebird firefire fireman1 fishing1 florence
  flower12 football football1 forever1 forever21 forgetit francesca francisco frederic freedom1 freefree friday13
  friendly friends1 friendship fuckfuck fuckoff1 fuckyou1 fuckyou2 fuckyou123 fuckyoubitch gabriela gabriele
  galatasaray gandalf1 gangster garfield gateway1 geronimo ghost123 giovanni giuseppe gladiator goldfish goodluck
  goodmorning google123 gorgeous grandma1 greenday guest123 guest1234 guitar12 gundam00 hallo123 hallowelt happyday
  happyness happiness hardcore harrypotter hawaii50 heather1 hello123 hello1234 hellohello hellokitty helpdesk helpme12
  hercules highland hollywood homepage honeybee honolulu hotmail1 hunter12 iamthebest idontknow iloveu12 iloveyou
  iloveyou1 iloveyou12 iloveyou2 iloveyou3 iloveyou123 iloveyou! iloveyousomuch ilovejesus ilovemymom imissyou
  immortal inferno1 infinity internet internet1 inuyasha ironman1 isabella isabelle italia12 jackson5 january1
  jasmine1 jeffrey1 jennifer jessica1 jesus123 jesuschrist john1234 johannes jonathan jordan23 jordan123 josephine
  juventus kamikaze katherine kathleen katrina1 kawasaki kingkong kittycat knight12 lakers24 lasvegas lavender
  leonardo letmein1 letmein12 letmein123 letmeinn liberty1 lifeisgood lifehack limewire linkinpark liverpoo liverpool
  liverpool1 lollipop lollypop london12 longhorn looking1 lovelove lovelove1 loveme12 lovely12 loveyou1 loveyou2 loverboy
  lucky123 lunchbox mackenzie macdaddy madison1 magdalena majestic manager1 manchester mandarin marathon marcello
  margaret margarita marianne marielle marines1 marlboro marseille martinez master12 master123 mathilde matthew1
  maverick maximilian maxwell1 mercedes mercury1 metallica michael1 michael2 michelle microsoft midnight minecraft
  minnie12 mississippi mistress mitchell mohammed monalisa monkey12 monkey123 monopoly monster1 montreal morpheus
  motherfucker motorola mountain mustang1 mynameis mypassword nathalie natasha1 navigator netscape newcastle newpassword
  newyork1 nicholas nicholas1 nicole12 nightmare ninjago1 nintendo nirvana1 nopassword nothing1 november nwo4life
  october1 office365 olivia12 operator orange12 overlord p0o9i8u7 pa$$w0rd pa55word paladin1 panasonic panther1 panthers
  paradise parola12 parliament pass1234 pass12345 passpass passport passw0rd passw0rd1 passwort passwort1 password!
  password! password1! password@123 password#1 password.1 passwordpassword patricia patriots peaches1 peanuts1 penelope
  pepper12 personal phantom1 philippe phoenix1 photoshop picasso1 pickles1 pineapple pink1234 pinkfloyd piramide
  pizza123 platinum playboy1 playstation please12 pokemon1 pokemon123 police12 politics popcorn1 portugal predator
  pr0metheus precious presario princesa princess princess1 princess12 private1 profesor prometheus property pumpkin1
  punkrock purple12 q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 qazqazqaz qazwsx12 qazwsx123 qazwsxedc qazwsxedcrfv qazxswedc
  qqww1122 qwe123456 qwe123qwe qweasd123 qweasdzxc qweqwe123 qweqweqwe qwer1234 qwer4321 qwerasdf qwert123 qwert12345
  qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456 qwertyqwerty qwertzui qwertzuiop rainbow1 raiders1 rammstein
  ranger12 raspberry rastaman realmadrid redskins remember republic ricardo1 richard1 robert12 rockstar rockyou1
  rockyou123 romantic ronaldo7 rootroot rosebud1 russia12 samantha samsung1 samsung123 sandiego santiago sapphire
  saturday sayangku scarface scarlett schalke04 scooby12 scorpion scotland scrabble seahawks secret12 secret123
  security senha123 sepultura september serenity services shadow12 shannon1 sharingan sheffield sherlock shithead
  siemens1 silver12 simple12 skateboard skywalker slipknot slipknot666 smile123 smokey12 snickers snoopy12 snowball
  snowboard softball somebody soccer10 soccer12 something spiderma spiderman spiderman1 spitfire splinter spongebob
  squirrel stanford stardust starfish stargate starlight startfinding startrek starwars starwars1 stephanie sterling
  stingray strawberry student1 studio54 subaru12 sunflower sunrise1 sunset12 sunshine sunshine1 sunshine123 superman
  superman1 supernova superstar supervisor supreme1 surfing1 survivor swordfish sysadmin t3st1234 taekwondo taylor12
  teacher1 techno12 tekken12 telefono telephone temp1234 temppass template tennis12 terminal terminator test1234
  test12345 testtest testing1 testing123 teste123 theking1 therock1 thebeatles thunder1 thunderbird tiffany1 tigger12
  timberland tinkerbell tokiohotel tomorrow toshiba1 tottenham toyota12 transfer transformers treasure trinity1
  trombone trustno1 trustnoone twilight tupac123 uchiha12 undertaker universal universe universo unknown1 user1234
  username valentin valentina valentine vanessa1 vanhalen velocity veronica victoria victoria1 videogame vietnam1
  vincenzo virginia visitor1 volkswagen wachtwoord warcraft warhammer washington waterfall watermelon webmaster welcome1
  welcome12 welcome123 welcome@123 whatever whatever1 whiskey1 whocares williams winchester windows1 windows10 winner12
  winniethepooh winter12 wolfgang wolverine woodland wordpass workshop worldcup wrestling wwjd1234 xbox3600 xxxxxxxx1
  yamaha12 yankees1 yellow12 yesterday zachary1 zaq12wsx zaq1xsw2 zaq1zaq1 zeppelin zidane10 zxcasdqwe zxcv1234
  zxcvbnm1 zxcvbnm12 zxcvbnm123 zxcvbnm,./ zxczxczxc
`

const words = `
  admin administrator andrea angel apple arsenal asdf asdfgh asdfghjkl ashley azerty banana barcelona baseball
  basketball batman bitch boomer buster charlie cheese chelsea chocolate computer cookie daniel demo dragon eagles
  ferrari flower football forever freedom friday fuckyou george google guest guitar hallo hannah happy hello hockey
  hunter iloveyou internet jessica jesus jordan joshua killer letmein liverpool london lockstep login love lovely lucky
  manager marina master matrix michael michelle monday monkey monster mustang naruto nicole ninja orange p@ssw0rd
  p@ssword parola pass passw0rd password pepper pokemon princess purple qazwsx qwer qwert qwerty ranger root samsung
  secret senha server shadow silver soccer spring starwars summer sunday sunshine superman support temp test tigger
  user welcome whatever william winter yankees zxcvbn zxcvbnm autumn
`

const endings = `
  1 11 12 13 21 22 23 69 77 88 99 00 01 007 111 123 321 666 1234 12345 123456 1! 123! ! @123 #1
  2019 2020 2021 2022 2023 2024 2025 2026
`

const runs = [
  '0123456789',
  '1234567890',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiop',
  'asdfghjkl',
  'zxcvbnm,./',
]

let built: ReadonlySet<string> | undefined

/** The list, made when it is first asked for. */
export function commonPasswords(): ReadonlySet<string> {
  return (built ??= new Set(
    [...listed(wellKnown), ...wordsWithEndings(), ...straightRuns(), ...repetitions()].filter(
      ({ length }) => length >= shortest,
    ),
  ))
}

function listed(text: string): string[] {
  return text.trim().split(/\s+/)
}

function wordsWithEndings(): string[] {
  return listed(words).flatMap((word) => [word, ...listed(endings).map((ending) => word + ending)])
}

function straightRuns(): string[] {
  return runs
    .flatMap((run) => [run, [...run].reverse().join('')])
    .flatMap((run) =>
      Array.from(run, (_, start) => Array.from(run, (_, end) => run.slice(start, end + 1))).flat(),
    )
}

function repetitions(): string[] {
  return [...'abcdefghijklmnopqrstuvwxyz0123456789.*!'].flatMap((character) =>
    [8, 9, 10, 11, 12].map((count) => character.repeat(count)),
  )
}
