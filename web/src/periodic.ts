// The periodic table: where each element stands, and its name.

const SYMBOLS = (
  "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr " +
  "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu " +
  "Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr"
).split(" ");

const NAMES = (
  "hydrogen helium lithium beryllium boron carbon nitrogen oxygen fluorine neon sodium magnesium aluminium silicon " +
  "phosphorus sulfur chlorine argon potassium calcium scandium titanium vanadium chromium manganese iron cobalt " +
  "nickel copper zinc gallium germanium arsenic selenium bromine krypton rubidium strontium yttrium zirconium niobium " +
  "molybdenum technetium ruthenium rhodium palladium silver cadmium indium tin antimony tellurium iodine xenon " +
  "caesium barium lanthanum cerium praseodymium neodymium promethium samarium europium gadolinium terbium " +
  "dysprosium holmium erbium thulium ytterbium lutetium hafnium tantalum tungsten rhenium osmium iridium platinum " +
  "gold mercury thallium lead bismuth polonium astatine radon francium radium actinium thorium protactinium uranium " +
  "neptunium plutonium americium curium berkelium californium einsteinium fermium mendelevium nobelium lawrencium"
).split(" ");

export interface Element {
  symbol: string;
  name: string;
  /** From 1. */
  row: number;
  column: number;
}

const NOBLE = [0, 2, 10, 18, 36, 54, 86, 118];

export const ELEMENTS: Element[] = SYMBOLS.map((symbol, i) => ({ symbol, name: NAMES[i]!, ...place(i + 1) }));

/** Lanthanides and actinides stand below, scandium's column beginning with lutetium's. */
function place(z: number): { row: number; column: number } {
  const row = NOBLE.findIndex((noble) => z <= noble);
  const first = z - NOBLE[row - 1]!;
  const left = NOBLE[row]! - z; // to the noble gas
  if (row >= 6 && first > 2 && first <= 17) return { row: row + 2, column: first };
  const begins = row === 1 ? 1 : 2;
  return { row, column: first <= begins ? first : 18 - left };
}
